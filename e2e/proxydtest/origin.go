package proxydtest

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Origin starts an HTTP server to put behind proxyd, and returns its address. It is net/http's, so that two implementations
// that know nothing of each other have to agree.
func Origin(tb testing.TB, handler http.Handler) string {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.Listener.Addr().String()
}

// Client returns an HTTP client with connections of its own, whose connections end with the test.
func Client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
