// Receives as a GitHub app does: the signature is checked by @octokit/webhooks, the body by @octokit/webhooks-schemas.
//
// Prints the port it listens on, then a line of JSON for each event it accepted. An event whose body breaks the schema
// is answered with 500. The secret is in the variable SECRET.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Webhooks, createNodeMiddleware } from "@octokit/webhooks";

const require = createRequire(import.meta.url);
const Ajv = require("ajv").default;
const addFormats = require("ajv-formats").default;

const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
// uri, date-time and uri-template are what the schemas use.
addFormats(ajv);
// A word the schemas hold for their generator of types.
ajv.addKeyword("tsAdditionalProperties");
const schema = require("@octokit/webhooks-schemas/schema.json");
// What GitHub sends since the schemas were made, which take no key that they do not know.
Object.assign(schema.definitions.user.properties, { user_view_type: { type: "string" } });
const newer = { has_pull_requests: { type: "boolean" }, pull_request_creation_policy: { type: "string" } };
Object.assign(schema.definitions.repository.properties, newer);
ajv.addSchema(schema, "webhooks");
// Compiled before anything listens: the schemas are large, and the first takes seconds.
const known = ["push$event", "create$event", "delete$event", "ping$event", "commit_comment$created"];
for (const action of ["opened", "edited", "synchronize", "closed", "reopened"]) known.push(`pull_request$${action}`);
for (const action of ["submitted", "dismissed"]) known.push(`pull_request_review$${action}`);
for (const name of ["issue_comment", "pull_request_review_comment"]) known.push(`${name}$created`, `${name}$edited`);
const schemas = new Map(known.map((name) => [name, ajv.getSchema(`webhooks#/definitions/${name}`)]));

const webhooks = new Webhooks({ secret: process.env.SECRET });
webhooks.onAny(({ id, name, payload }) => {
  const valid = schemas.get(`${name}$${payload.action ?? "event"}`);
  if (!valid) throw new Error(`'${name}' is no event of ours`);
  if (!valid(payload)) throw new Error(`${name}: ${ajv.errorsText(valid.errors)}`);
  console.log(JSON.stringify({ id, event: name, payload }));
});

const server = createServer(createNodeMiddleware(webhooks, { path: "/hook" }));
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
