<?php
// Books each decision once: PHP, the Standard Webhooks library, SQLite.
// Run with: php -S 127.0.0.1:9000 server.php
http_response_code(500); // until it is booked
require __DIR__ . '/vendor/autoload.php';

$webhook = new \StandardWebhooks\Webhook(getenv('POSTBACK_BACKEND_SECRET'));
$headers = array_change_key_case(getallheaders());
try {
    $decision = $webhook->verify(file_get_contents('php://input'), $headers)['data'];
} catch (\StandardWebhooks\Exception\WebhookVerificationException) {
    http_response_code(403);
    exit;
}
$db = new PDO('sqlite:' . (getenv('DATABASE') ?: 'game.db'));
$db->exec('CREATE TABLE IF NOT EXISTS decisions (id TEXT PRIMARY KEY)');
// Whole units: SQLite adds decimals as floating point.
$db->exec('CREATE TABLE IF NOT EXISTS players (id TEXT PRIMARY KEY, balance NUMERIC NOT NULL)');
// To decline for good: http_response_code(422); exit(json_encode(['refused' => 'no such player']));
$db->beginTransaction();
$insert = $db->prepare('INSERT INTO decisions VALUES (?) ON CONFLICT DO NOTHING');
$insert->execute([$decision['id']]);
// Known already: the response got lost, so say again that it is done.
if ($insert->rowCount() > 0) {
    $db->prepare('INSERT INTO players VALUES (?, ?)
        ON CONFLICT (id) DO UPDATE SET balance = balance + excluded.balance')
        ->execute([$decision['player'], $decision['balance_change']]);
}
$db->commit();
http_response_code(204);
