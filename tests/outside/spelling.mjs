// Takes a delivery as a function behind a gateway does that hands headers over as they came: looked up in a plain object, by the
// forge's own spelling, and the signature verified with what stands there.
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';

const secret = process.env.SECRET;
const hmac = (body) => createHmac('sha256', secret).update(body).digest('hex');
const proofs = {
  '/codeup': (headers) => headers['X-Codeup-Event'] === 'Push Hook' && headers['X-Codeup-Token'] === secret,
  '/gitlab': (headers) => headers['X-Gitlab-Event'] === 'Push Hook' && headers['X-Gitlab-Token'] === secret,
  '/github': (headers, body) => headers['X-GitHub-Event'] === 'push' && headers['X-Hub-Signature-256'] === `sha256=${hmac(body)}`,
  '/gitea': (headers, body) => headers['X-Gitea-Event'] === 'push' && headers['X-Gitea-Signature'] === hmac(body),
  '/forgejo': (headers, body) => headers['X-Forgejo-Event'] === 'push' && headers['X-Forgejo-Signature'] === hmac(body),
  '/gogs': (headers, body) => headers['X-Gogs-Event'] === 'push' && headers['X-Gogs-Signature'] === hmac(body),
  '/bitbucket': (headers, body) => headers['X-Event-Key'] === 'repo:push' && headers['X-Hub-Signature'] === `sha256=${hmac(body)}`,
  '/slack': () => true,
  '/discord': () => true,
  '/teams': () => true,
  '/template': () => true,
};

const server = createServer(async (request, response) => {
  const headers = {};
  for (let at = 0; at < request.rawHeaders.length; at += 2) headers[request.rawHeaders[at]] = request.rawHeaders[at + 1];
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const isWhole = headers['Content-Type'] === 'application/json' && headers['Content-Length'] === String(body.length);
  response.statusCode = isWhole && headers['X-My-Own'] === 'x' && proofs[request.url](headers, body) ? 200 : 403;
  response.end();
});
server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
