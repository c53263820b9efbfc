// Receives with handlers of npm: github-webhook-handler at /github, node-gitlab-webhook at /gitlab.
//
// Prints the port it listens on, then a line of JSON for each event a handler told of. What one refuses it answers itself, with
// 400. The secret is in the variable SECRET.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const secret = process.env.SECRET;
const handlers = {
  "/github": require("github-webhook-handler")({ path: "/github", secret }),
  "/gitlab": require("node-gitlab-webhook")({ path: "/gitlab", secret }),
};
for (const handler of Object.values(handlers)) {
  handler.on("*", ({ event, payload }) => console.log(JSON.stringify({ event, payload })));
  // What is wrong is answered.
  handler.on("error", () => {});
}
const server = createServer((request, response) => {
  handlers[request.url](request, response, () => {
    if (!response.writableEnded) {
      response.statusCode = 404;
      response.end();
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
