package soak

// alone lists the scenarios that cannot share a proxyd, each with its reason.
var alone = map[string]string{
	"drain":                               "it ends proxyd",
	"drain-in-the-middle-of-a-body":       "it ends proxyd",
	"http10-client-without-host":          "its request has no Host line before which the mark could stand",
	"client-leaves-while-next-hop-thinks": "its requests have no Host line before which the mark could stand",
	"limit-fields-before-the-end":         "the mark is one field more than it allows",
	"limit-fields":                        "the mark is one field more than it allows",
	"response-while-idle":                 "it speaks on an idle connection, which may be another's by then",
	"trailers-that-may-not-be":            "a mark would stand before the Host line in its trailer section too",

	// One after the other they could, but not beside themselves.
	"error-503-next-hop-connections":                "it wants the only connection that its config allows",
	"error-503-too-many-connections":                "it wants the only connection that its config allows",
	"client-leaves-while-it-waits-for-a-connection": "it wants the only connection that its config allows",

	"rule-health-check":         "it wants the whole rate that its config allows",
	"rule-limit":                "it wants the whole rate that its config allows",
	"rule-not-enabled":          "it changes the config of its proxyd",
	"rule-reload-in-the-middle": "it changes the config of its proxyd",

	// Whether a request goes again depends on whether its connection is a pooled one, which is left to chance here.
	"pipelining-broken-body-in-the-middle": "its second request ends a connection before anything goes out, and that may not be the one of its first",
	"retry-after-reset":                    "it wants the connection that it has used before",
	"retry-idempotent-on-stale-connection": "it wants the connection that it has used before",
	"retry-idle-connection-was-closed":     "it wants the connection that it has used before, and ends it while another may be using it",
	"retry-not-on-fresh-connection":        "it wants a fresh connection",
}
