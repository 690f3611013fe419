//go:build realclients

package realclients

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"section.internal/e2e/proxydtest"
)

// site is a page with assets of several kinds; its script counts those that have arrived and work.
type site struct{ images, scripts, styles int }

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n int
	w.Header().Set("Cache-Control", "no-store")
	switch path := r.URL.Path; {
	case path == "/":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><html><head><title>loading</title><script>var scripts = 0</script>\n")
		for i := range s.styles {
			fmt.Fprintf(w, "<link rel=stylesheet href=/style/%d>\n", i)
		}
		fmt.Fprint(w, "</head><body>\n")
		for i := range s.images {
			fmt.Fprintf(w, "<img src=/image/%d>\n", i)
		}
		for i := range s.styles {
			fmt.Fprintf(w, "<p id=p%d>\n", i)
		}
		for i := range s.scripts {
			fmt.Fprintf(w, "<script src=/script/%d></script>\n", i)
		}
		fmt.Fprintf(w, `<script>
window.onload = function () {
	var images = 0, styles = 0;
	for (var image of document.images) if (image.naturalWidth > 0) images++;
	for (var i = 0; i < %d; i++) if (getComputedStyle(document.getElementById("p" + i)).zIndex == 1000 + i) styles++;
	document.title = "images " + images + " scripts " + scripts + " styles " + styles;
}
</script></body></html>`, s.styles)
	case scan(path, "/image/%d", &n):
		// Sizes from below a packet to far above a buffer.
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><!-- %s --></svg>`, strings.Repeat("x", n*n*50))
	case scan(path, "/script/%d", &n):
		w.Header().Set("Content-Type", "text/javascript")
		http.NewResponseController(w).Flush() // in chunks
		fmt.Fprintf(w, "scripts++ // %s\n", strings.Repeat("x", n*1000))
	case scan(path, "/style/%d", &n):
		w.Header().Set("Content-Type", "text/css")
		fmt.Fprintf(w, "#p%d { position: relative; z-index: %d }\n", n, 1000+n)
	default:
		http.NotFound(w, r)
	}
}

func scan(path, format string, n *int) bool {
	_, err := fmt.Sscanf(path, format, n)
	return err == nil
}

func TestBrowser_APageWithManyAssets(t *testing.T) {
	chromium := newClient(t, "chromium", "chromium")
	page := site{images: 70, scripts: 20, styles: 20}
	proxyd := bench.Start(t, proxydtest.Options{NextHop: proxydtest.Origin(t, page)})
	dom := chromium.run(nil,
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", // nothing but loopback
		"--user-data-dir="+chromium.dir, "--timeout=60000", "--dump-dom", "http://"+proxyd.Addr+"/")
	want := fmt.Sprintf("<title>images %d scripts %d styles %d</title>", page.images, page.scripts, page.styles)
	if !strings.Contains(dom, want) {
		title, _, _ := strings.Cut(dom[max(strings.Index(dom, "<title>"), 0):], "</title>")
		t.Errorf("the page says %q, want %s", title, want)
	}
	proxyd.Stop()
	passed := map[string]bool{}
	for _, l := range proxyd.AccessLog(t) {
		if l["status"] == "200" && l["reason"] == "passed" {
			passed[l["uri_path"]] = true
		} else if l["uri_path"] != "/favicon.ico" {
			t.Errorf("%s: status %s, reason %s", l["uri_path"], l["status"], l["reason"])
		}
	}
	if assets := page.images + page.scripts + page.styles + 1; len(passed) != assets {
		t.Errorf("%d different answers were passed on, want %d", len(passed), assets)
	}
}
