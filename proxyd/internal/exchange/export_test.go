package exchange

// TenRules are those of the benchmark: each matches, and changes a header section.
const TenRules = `
[[rule]]
name = "1"
match = { path = "/**" }
request = { set = { "X-Edge-Secret" = "0123456789abcdef" } }
[[rule]]
name = "2"
match = { host = ["www.example.com", "*.example.org"] }
request = { set = { "X-Site" = "main" } }
[[rule]]
name = "3"
request = { remove = ["X-Debug", "X-Trace"] }
[[rule]]
name = "4"
request = { set = { "X-Client" = "{client}" } }
[[rule]]
name = "5"
match = { protocol = "https" }
request = { add = { "X-Secure" = "yes" } }
[[rule]]
name = "6"
match = { protocol = "https" }
response = { set = { "Strict-Transport-Security" = "max-age=31536000" } }
[[rule]]
name = "7"
response = { set = { "X-Content-Type-Options" = "nosniff" } }
[[rule]]
name = "8"
match = { method = ["GET", "HEAD"] }
response = { set = { "Referrer-Policy" = "strict-origin-when-cross-origin" } }
[[rule]]
name = "9"
response = { remove = ["Server", "X-Powered-By"] }
[[rule]]
name = "10"
match = { path = ["/1k", "/assets/**"] }
response = { set = { "Cache-Control" = "public, max-age=3600" } }
`

// Waiting returns how many goroutines wait for the rest of a head.
func (e *Engine) Waiting() int64 { return e.waiting.Load() }

// LastWrite is how long next-hop may let the last piece of a body wait that is of no use any more.
const LastWrite = lastWrite
