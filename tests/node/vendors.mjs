// Vendors' own libraries, asked by the tests: reads a JSON array of [what, argument] from stdin and
// writes the answers as a JSON array, in order. What throws answers null.

import { createPrivateKey, sign, verify, X509Certificate } from "node:crypto";
import { text } from "node:stream/consumers";
import { crc32 } from "node:zlib";

import * as hubspot from "@hubspot/api-client";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import * as github from "@octokit/webhooks-methods";
import { Paddle } from "@paddle/paddle-node-sdk";
import { EventWebhook } from "@sendgrid/eventwebhook";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import { WebhooksHelper } from "square";

const shopify = (apiSecretKey) =>
  shopifyApi({
    apiKey: "key",
    apiSecretKey,
    apiVersion: Object.values(ApiVersion)[0],
    hostName: "hooks.example.com",
    isEmbeddedApp: false,
    logger: { log: async () => {} },
  });

const paypalSigned = ({ id, time, webhookId, body }) =>
  Buffer.from(`${id}|${time}|${webhookId}|${crc32(Buffer.from(body))}`);

const answers = {
  "github.sign": ({ secret, body }) => github.sign(secret, body),
  "github.verify": ({ secret, body, signature }) => github.verify(secret, body, signature),
  "hubspot.sign": ({ secret, ...options }) =>
    hubspot.Signature.getSignature("POST", "v3", { clientSecret: secret, ...options }),
  "hubspot.verify": ({ secret, ...options }) =>
    hubspot.Signature.isValid({
      method: "POST",
      signatureVersion: "v3",
      clientSecret: secret,
      ...options,
    }),
  "linear.verify": ({ secret, body, signature }) =>
    Boolean(new LinearWebhookClient(secret).parseData(Buffer.from(body), signature)),
  "paddle.verify": ({ secret, body, signature }) =>
    new Paddle("unused").webhooks.isSignatureValid(body, secret, signature),
  "shopify.verify": async ({ secret, body, signature }) => {
    const headers = {
      "X-Shopify-API-Version": "2026-01",
      "X-Shopify-Shop-Domain": "engines.myshopify.com",
      "X-Shopify-Hmac-Sha256": signature,
      "X-Shopify-Topic": "orders/create",
      "X-Shopify-Webhook-Id": "1815",
    };
    const rawRequest = { method: "POST", url: "/", headers };
    return (await shopify(secret).webhooks.validate({ rawBody: body, rawRequest })).valid;
  },
  "sendgrid.verify": ({ publicKey, time, body, signature }) => {
    const library = new EventWebhook();
    return library.verifySignature(
      library.convertPublicKeyToECDSA(publicKey),
      Buffer.from(body),
      signature,
      time,
    );
  },
  "square.verify": ({ secret, url, body, signature }) =>
    WebhooksHelper.verifySignature({
      requestBody: body,
      signatureHeader: signature,
      signatureKey: secret,
      notificationUrl: url,
    }),

  // No library of theirs is for Node alone: what OpenSSL makes of their rules.
  "discord.sign": ({ key, time, body }) =>
    sign(null, Buffer.from(time + body), createPrivateKey(key)).toString("hex"),
  "sendgrid.sign": ({ key, time, body }) =>
    sign("sha256", Buffer.from(time + body), createPrivateKey(key)).toString("base64"),
  "paypal.sign": ({ key, ...sent }) =>
    sign("sha256", paypalSigned(sent), createPrivateKey(key)).toString("base64"),
  "paypal.verify": ({ certificate, signature, ...sent }) =>
    verify(
      "sha256",
      paypalSigned(sent),
      new X509Certificate(certificate).publicKey,
      Buffer.from(signature, "base64"),
    ),
};

const asked = JSON.parse(await text(process.stdin));
const answered = [];
for (const [what, argument] of asked) {
  try {
    answered.push(await answers[what](argument));
  } catch (error) {
    if (!(what in answers)) throw error;
    answered.push(null);
  }
}
process.stdout.write(JSON.stringify(answered));
