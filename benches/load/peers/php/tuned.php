<?php

// A receiver as the network's page on securing callbacks describes it: the whole URL without `&hash=` under
// HMAC-SHA1 with the App Secret, in hex. It verifies and answers OK; it remembers nothing and pays nothing.

declare(strict_types=1);

function is_genuine(string $query): bool
{
    $end = strrpos($query, '&hash=');
    if ($end === false) {
        return false;
    }
    $signed = $_SERVER['URL_PREFIX'] . '?' . substr($query, 0, $end);
    $expected = hash_hmac('sha1', $signed, $_SERVER['APP_SECRET']);
    return hash_equals($expected, substr($query, $end + strlen('&hash=')));
}

function answer(int $status, string $word): void
{
    http_response_code($status);
    header('Content-Type: text/plain');
    header('Content-Length: ' . strlen($word));
    echo $word;
}

if (is_genuine($_SERVER['QUERY_STRING'])) {
    answer(200, 'OK');
} else {
    answer(403, 'forbidden');
}
