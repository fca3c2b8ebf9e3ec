module example.invalid/postback-sample

go 1.21

require (
	github.com/standard-webhooks/standard-webhooks/libraries v1.0.1
	modernc.org/sqlite v1.38.2
)
