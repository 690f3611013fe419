//go:build image

package image

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// The image is published with docker push and fetched with docker pull; it runs as what it was.
func TestContract_ImageCanBePublishedInARegistryAndPulled(t *testing.T) {
	t.Parallel()
	shelf := &registry{blobs: map[string][]byte{}, manifests: map[string]manifest{}}
	server := httptest.NewServer(shelf.handler())
	t.Cleanup(server.Close)
	name := strings.TrimPrefix(server.URL, "http://") + "/" + lab.name + ":published"
	must(t)(docker("tag", lab.image, name))
	must(t)(docker("push", name))
	must(t)(docker("rmi", name))
	must(t)(docker("pull", name))
	lab.remember(name)
	const id = "{{.Id}}"
	if got, want := must(t)(docker("inspect", "--format", id, name)), must(t)(docker("inspect", "--format", id, lab.image)); got != want {
		t.Errorf("what was pulled is %s: want what was pushed, %s", got, want)
	}
	e := run3(t, "run", "--rm", "--label", label+"="+lab.name, "--network", "none", "--entrypoint", "/opt/section/validate.sh", name)
	wantSilence(t, "validate.sh of the pulled image", e)
}

// registry is as much of the OCI distribution protocol as pushing and pulling take, in memory.
type registry struct {
	mu        sync.Mutex // guards what follows
	blobs     map[string][]byte
	manifests map[string]manifest // by tag and by digest
	upload    map[string][]byte   // unfinished blobs
}

type manifest struct {
	kind string
	text []byte
}

func (r *registry) handler() http.Handler {
	r.upload = map[string][]byte{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(w http.ResponseWriter, _ *http.Request) {})
	mux.HandleFunc("POST /v2/{name}/blobs/uploads/", r.begin)
	mux.HandleFunc("PATCH /v2/{name}/blobs/uploads/{id}", r.append)
	mux.HandleFunc("PUT /v2/{name}/blobs/uploads/{id}", r.finish)
	mux.HandleFunc("GET /v2/{name}/blobs/{digest}", r.blob)
	mux.HandleFunc("PUT /v2/{name}/manifests/{reference}", r.putManifest)
	mux.HandleFunc("GET /v2/{name}/manifests/{reference}", r.manifest)
	return mux
}

func (r *registry) begin(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := unique()
	r.upload[id] = []byte{}
	w.Header().Set("Location", req.URL.Path+id)
	w.WriteHeader(http.StatusAccepted)
}

func (r *registry) append(w http.ResponseWriter, req *http.Request) {
	part, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.PathValue("id")
	r.upload[id] = append(r.upload[id], part...)
	w.Header().Set("Location", req.URL.Path)
	w.Header().Set("Range", fmt.Sprintf("0-%d", len(r.upload[id])-1))
	w.WriteHeader(http.StatusAccepted)
}

func (r *registry) finish(w http.ResponseWriter, req *http.Request) {
	part, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := req.PathValue("id")
	whole := append(r.upload[id], part...)
	delete(r.upload, id)
	wanted := req.URL.Query().Get("digest")
	if got := digest(whole); got != wanted {
		http.Error(w, "the blob is "+got+", not "+wanted, http.StatusBadRequest)
		return
	}
	r.blobs[wanted] = whole
	w.Header().Set("Docker-Content-Digest", wanted)
	w.WriteHeader(http.StatusCreated)
}

func (r *registry) blob(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	blob, ok := r.blobs[req.PathValue("digest")]
	if !ok {
		http.NotFound(w, req)
		return
	}
	send(w, req, manifest{"application/octet-stream", blob})
}

func (r *registry) putManifest(w http.ResponseWriter, req *http.Request) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := manifest{req.Header.Get("Content-Type"), text}
	r.manifests[req.PathValue("reference")], r.manifests[digest(text)] = m, m
	w.Header().Set("Docker-Content-Digest", digest(text))
	w.WriteHeader(http.StatusCreated)
}

func (r *registry) manifest(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.manifests[req.PathValue("reference")]
	if !ok {
		http.NotFound(w, req)
		return
	}
	send(w, req, m)
}

func send(w http.ResponseWriter, req *http.Request, m manifest) {
	w.Header().Set("Content-Type", m.kind)
	w.Header().Set("Content-Length", fmt.Sprint(len(m.text)))
	w.Header().Set("Docker-Content-Digest", digest(m.text))
	if req.Method != http.MethodHead {
		io.Copy(w, bytes.NewReader(m.text)) // a client that went away is its own affair
	}
}

func digest(blob []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(blob)) }
