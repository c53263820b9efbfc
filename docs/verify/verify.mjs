// Verifies the v1a signatures of Standard Webhooks: verify(headers, body, publicKey), with what Node.js has.

import { createPublicKey, verify as verifySignature } from "node:crypto";

const TOLERANCE = 300; // seconds between the sender's clock and ours
const PREFIX = Buffer.from("302a300506032b6570032100", "hex"); // an ed25519 key in DER begins so (RFC 8410)

// Whether body, a Buffer, was signed by the owner of publicKey, "whpk_…"; headers by their names in lower case.
export function verify(headers, body, publicKey, now = Date.now() / 1000) {
  const raw = Buffer.from(publicKey.replace(/^whpk_/, ""), "base64");
  const key = createPublicKey({ key: Buffer.concat([PREFIX, raw]), format: "der", type: "spki" });
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^[0-9]{1,15}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE) return false;
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"] ?? ""}.${timestamp}.`), body]);
  return (headers["webhook-signature"] ?? "")
    .split(" ")
    .map((signature) => /^v1a,([A-Za-z0-9+/]{86}==)$/.exec(signature)?.[1])
    .some((encoded) => encoded && verifySignature(null, signed, key, Buffer.from(encoded, "base64")));
}
