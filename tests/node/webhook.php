<?php
// The PHP receiver of the Chatbots Platform's guide: checks the body as it came.

$payload = file_get_contents('php://input');
$signature = $_SERVER['HTTP_X_CHATBOTS_SIGNATURE'] ?? '';
$webhookSecret = getenv('WEBHOOK_SECRET');

$expectedSignature = 'sha256=' . hash_hmac('sha256', $payload, $webhookSecret);
if (!hash_equals($expectedSignature, $signature)) {
    http_response_code(401);
    echo json_encode(['error' => 'Invalid signature']);
    exit;
}

http_response_code(200);
header('Content-Type: application/json');
echo json_encode(['status' => 'success']);
