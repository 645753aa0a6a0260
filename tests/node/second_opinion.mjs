// Signatures as vendors' documentation tells them, for vendors without a library that signs. Reads a JSON
// array of questions from stdin and writes the answers as a JSON array, in order.

import { createHmac } from "node:crypto";
import { text } from "node:stream/consumers";

import { Webhook } from "standardwebhooks";

const hmac = (secret, signed, encoding = "hex", hash = "sha256") =>
  createHmac(hash, secret).update(signed).digest(encoding);

// The same as vendors write it: without fractions of a second.
const iso = (now) => new Date(now * 1000).toISOString().replace(".000Z", "Z");

const inserted = (body, more) => JSON.stringify({ ...JSON.parse(body), ...more });

const headers = {
  basic: ({ secret, settings }) => ({
    Authorization: `Basic ${Buffer.from(`${settings.username}:${secret}`).toString("base64")}`,
  }),
  bearer: ({ secret }) => ({ Authorization: `Bearer ${secret}` }),
  calendly: ({ secret, now, body }) => ({
    "Calendly-Webhook-Signature": `t=${now},v1=${hmac(secret, `${now}.${body}`)}`,
  }),
  chatbots: ({ secret, body }) => ({ "X-Chatbots-Signature": `sha256=${hmac(secret, body)}` }),
  gitlab: ({ secret, now, body }) => ({
    "webhook-id": "msg_1",
    "webhook-timestamp": `${now}`,
    "webhook-signature": new Webhook(secret).sign("msg_1", new Date(now * 1000), body),
  }),
  hmac: ({ secret, now, body, settings: { header, prefix, encoding, hash, template } }) => {
    const values = { "{id}": "msg_1", "{timestamp}": now, "{body}": body };
    const signed = template.replace(/\{(id|timestamp|body)\}/g, (found) => values[found]);
    return {
      [header]: (prefix ?? "") + hmac(secret, signed, encoding, hash),
      "X-Id": "msg_1",
      ...(template.includes("{timestamp}") && { "X-Timestamp": `${now}` }),
    };
  },
  intercom: ({ secret, body }) => ({
    "X-Hub-Signature": `sha1=${hmac(secret, body, "hex", "sha1")}`,
  }),
  linear: ({ secret, body }) => ({ "Linear-Signature": hmac(secret, body) }),
  mailgun: () => ({}),
  meta: ({ secret, body }) => ({ "X-Hub-Signature-256": `sha256=${hmac(secret, body)}` }),
  paddle: ({ secret, now, body }) => ({
    "Paddle-Signature": `ts=${now};h1=${hmac(secret, `${now}:${body}`)}`,
  }),
  shopify: ({ secret, body }) => ({ "X-Shopify-Hmac-Sha256": hmac(secret, body, "base64") }),
  square: ({ secret, url, body }) => ({
    "x-square-hmacsha256-signature": hmac(secret, url + body, "base64"),
  }),
  typeform: ({ secret, body }) => ({
    "Typeform-Signature": `sha256=${hmac(secret, body, "base64")}`,
  }),
  webhook_signature: ({ secret, body }) => ({
    "X-Webhook-Signature": `sha256=${hmac(secret, body)}`,
  }),
  woocommerce: ({ secret, body }) => ({ "X-WC-Webhook-Signature": hmac(secret, body, "base64") }),
  zendesk: ({ secret, now, body }) => ({
    "X-Zendesk-Webhook-Signature-Timestamp": iso(now),
    "X-Zendesk-Webhook-Signature": hmac(secret, iso(now) + body, "base64"),
  }),
  zoom: ({ secret, now, body }) => ({
    "x-zm-request-timestamp": `${now}`,
    "x-zm-signature": `v0=${hmac(secret, `v0:${now}:${body}`)}`,
  }),
};

// What these vendors write into the body before it is sent.
const complete = {
  linear: ({ now, body }) => inserted(body, { webhookTimestamp: now * 1000 }),
  mailgun: ({ secret, now, body }) => {
    const token = hmac("a random token", body).slice(0, 50);
    const signature = { timestamp: `${now}`, token, signature: hmac(secret, `${now}${token}`) };
    return inserted(body, { signature });
  },
};

const isSigned = {
  mailgun: ({ secret, body }) => {
    const { timestamp, token, signature } = JSON.parse(body).signature;
    return signature === hmac(secret, timestamp + token);
  },
};

const sameHeaders = ({ scheme, sent, ...asked }) => {
  const lower = (pairs) => Object.entries(pairs).map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  const expected = lower(headers[scheme](asked));
  return expected.every((line) => lower(sent).includes(line));
};

const answers = {
  sign: ({ scheme, ...asked }) => {
    const body = complete[scheme]?.(asked) ?? asked.body;
    return { body, headers: headers[scheme]({ ...asked, body }) };
  },
  verify: (asked) => (isSigned[asked.scheme] ?? sameHeaders)(asked),
};

const asked = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(asked.map(([what, argument]) => answers[what](argument))));
