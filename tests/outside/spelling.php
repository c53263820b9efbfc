<?php
// For `php -S`: takes a delivery whose headers have the names that its forge writes, letter for letter. getallheaders() hands
// names over as they came.

const NAMES = [
    '/codeup' => ['Codeup-Event', 'X-Codeup-Event', 'X-Codeup-Token'],
    '/gitlab' => ['X-Gitlab-Event', 'X-Gitlab-Token', 'X-Gitlab-Event-UUID', 'Idempotency-Key'],
    '/github' => ['X-GitHub-Event', 'X-GitHub-Delivery', 'X-Hub-Signature', 'X-Hub-Signature-256'],
    '/gitea' => ['X-Gitea-Event', 'X-Gitea-Signature', 'X-GitHub-Event', 'X-Hub-Signature-256'],
    '/forgejo' => ['X-Forgejo-Event', 'X-Forgejo-Signature', 'X-Gitea-Event', 'X-Hub-Signature-256'],
    '/gogs' => ['X-Gogs-Event', 'X-Gogs-Delivery', 'X-Gogs-Signature'],
    '/bitbucket' => ['X-Event-Key', 'X-Hook-UUID', 'X-Request-UUID', 'X-Hub-Signature'],
    '/slack' => [],
    '/discord' => [],
    '/teams' => [],
    '/template' => [],
];
const OF_ALL = ['Host', 'Content-Type', 'Content-Length', 'User-Agent', 'X-My-Own', 'webhook-id', 'webhook-signature'];

$sent = array_keys(getallheaders());
$lacking = array_diff(array_merge(NAMES[$_SERVER['REQUEST_URI']], OF_ALL), $sent);
if ($lacking) {
    http_response_code(403);
    echo 'without ', implode(', ', $lacking), ' among ', implode(', ', $sent);
}
