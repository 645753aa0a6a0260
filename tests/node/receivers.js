// Receivers in JavaScript and PHP, written the way the guides for receivers show them, and vendors'
// libraries. Prints its port, and ends when its standard input does.
//
//   WEBHOOK_SECRET=… STANDARD_SECRET=whsec_… node receivers.js

import crypto from "node:crypto";
import { readFileSync } from "node:fs";
import { getPHPLoaderModule } from "@php-wasm/node-8-4";
import { PHP, loadPHPRuntime } from "@php-wasm/universal";
import express from "express";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";

const { WEBHOOK_SECRET, STANDARD_SECRET } = process.env;
const app = express();
const json = express.json(); // body-parser's
const raw = express.raw({ type: "application/json" });

// Chatbots Platform: the parsed body, printed again.
function verifySignature(payload, signature) {
  const expectedSignature = crypto
    .createHmac("sha256", WEBHOOK_SECRET)
    .update(JSON.stringify(payload))
    .digest("hex");
  return `sha256=${expectedSignature}` === signature;
}

app.post("/express/chatbots", json, (req, res) => {
  if (!verifySignature(req.body, req.headers["x-chatbots-signature"])) {
    return res.status(401).send("Invalid signature");
  }
  res.status(200).send("Webhook received");
});

// WhatsCRM: the same under another header.
function verifyWebhook(req, secret) {
  const signature = req.headers["x-webhook-signature"];
  const payload = JSON.stringify(req.body);
  const expectedSignature =
    "sha256=" + crypto.createHmac("sha256", secret).update(payload).digest("hex");
  return signature === expectedSignature;
}

app.post("/express/whatscrm", json, (req, res) => {
  if (!verifyWebhook(req, WEBHOOK_SECRET)) {
    return res.status(401).send("Invalid signature");
  }
  res.status(200).send("OK");
});

// AI Support Autoresponder: the body as it came, as text.
function verifyText(payload, signature, secret) {
  const expected = crypto.createHmac("sha256", secret).update(payload).digest("hex");
  return crypto.timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
}

app.post("/express/autoresponder", raw, (req, res) => {
  const payload = req.body.toString();
  if (!verifyText(payload, req.headers["x-webhook-signature"], WEBHOOK_SECRET)) {
    return res.status(401).json({ error: "Invalid signature" });
  }
  res.json(JSON.parse(payload));
});

// Standard Webhooks' own library, and Svix's.
for (const [path, webhook] of [
  ["/npm/standardwebhooks", new StandardWebhook(STANDARD_SECRET)],
  ["/npm/svix", new SvixWebhook(STANDARD_SECRET)],
]) {
  app.post(path, raw, (req, res) => {
    try {
      webhook.verify(req.body, req.headers);
    } catch {
      return res.status(401).end();
    }
    res.status(204).end();
  });
}

// PHP.
const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule()));
php.writeFile("/webhook.php", readFileSync(new URL("webhook.php", import.meta.url)));
let previous = Promise.resolve(); // one request at a time

app.post("/php/chatbots", raw, async (req, res) => {
  previous = previous.then(() =>
    php.run({
      scriptPath: "/webhook.php",
      method: "POST",
      headers: { "x-chatbots-signature": req.headers["x-chatbots-signature"] },
      body: req.body,
      env: { WEBHOOK_SECRET },
    }),
  );
  const answer = await previous;
  res.status(answer.httpStatusCode).send(answer.text);
});

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
