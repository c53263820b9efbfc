// Compares the keys of GitHub's events with the OpenAPI description that GitHub makes of its webhooks (@octokit/openapi-webhooks).
//
// Prints the port it listens on, then a line of JSON for each body that lacks nothing. One that lacks a key that is required is
// answered with 500 and told of; so is a key of the body that the description does not have, unless GitHub's captures have it.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { components } = require("@octokit/openapi-webhooks/generated/api.github.com.json");
// What GitHub sends and its description does not have yet, or has not in every place where @octokit/webhooks-schemas ask for it.
const newer = new Set(["custom_properties", "has_pull_requests", "pull_request_creation_policy", "user_view_type"]);

const found = (schema) => (schema?.$ref ? found(components.schemas[schema.$ref.split("/").pop()]) : (schema ?? {}));

function compare(schema, value, path, faults) {
  schema = found(schema);
  const all = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  if (value === null || typeof value !== "object" || all.length > 0) return;
  if (Array.isArray(value)) return value.forEach((item) => compare(schema.items, item, `${path}[]`, faults));
  for (const key of schema.required ?? []) if (!(key in value)) faults.add(`lacks ${path}.${key}`);
  if (!schema.properties) return;
  for (const [key, below] of Object.entries(value)) {
    if (key in schema.properties) compare(schema.properties[key], below, `${path}.${key}`, faults);
    else if (!newer.has(key)) faults.add(`has ${path}.${key}`);
  }
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const payload = JSON.parse(Buffer.concat(parts));
  const event = request.headers["x-github-event"];
  const name = ["webhook", event.replaceAll("_", "-"), payload.action].filter(Boolean).join("-");
  const faults = new Set();
  if (!components.schemas[name]) faults.add(`no description of ${name}`);
  compare(components.schemas[name], payload, event, faults);
  response.statusCode = faults.size > 0 ? 500 : 200;
  if (faults.size > 0) console.log(`faults ${JSON.stringify([...faults])}`);
  else console.log(JSON.stringify({ event, payload }));
  response.end();
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
