// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package fleettest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Confidant is a cloud whose machines boot, in which it is looked who knows a secret.
type Confidant struct {
	// Cloud gives the cloud, which talks to its vendor by what way makes of the way
	// there is.
	Cloud func(way func(http.RoundTripper) http.RoundTripper, log *slog.Logger) serve.Cloud
	// Resource is what a machine of it is asked for as.
	Resource serve.Resource
	// Readable is what can be read of machines that are there or were, by what it is.
	Readable func() map[string]string
	// Secrets are others that are to be as little known, such as that of the account.
	Secrets []string
}

// Confides checks that secrets are known to the machine and its program, and to nobody
// who looks from elsewhere: at what the vendor is asked and tells, at logs, or at the
// processes and files of the machine as another user than root.
func Confides(t *testing.T, c Confidant) {
	told := rand.Text()
	h := &heard{texts: map[string]*bytes.Buffer{}}
	cloud := c.Cloud(func(way http.RoundTripper) http.RoundTripper {
		return overheard{way, h.by("a request to the vendor")}
	}, slog.New(slog.NewTextHandler(h.by("the controller's log"), &slog.HandlerOptions{Level: slog.LevelDebug})))
	offers, err := cloud.Offers(t.Context(), c.Resource)
	if err != nil || len(offers) == 0 {
		t.Fatalf("Offers = %v, %v", offers, err)
	}
	ref := serve.Ref{Service: "web", UID: "5f3c", Replica: 1}
	i, err := cloud.Launch(t.Context(), serve.LaunchRequest{
		Ref: ref, Revision: 1, Offer: offers[0], Resource: c.Resource, Port: 8080,
		Task: serve.Task{
			Secrets: map[string]string{"TOKEN": told},
			Setup:   "true",
			// Which files of the machine's others could read, and whether the program knows.
			Run: `find /opt/serve -type f -perm /044 -exec grep -l "$TOKEN" {} +; echo "knows ${#TOKEN}"; exec sleep 3600`,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := printed(t, cloud, ref, "knows")
	if want := fmt.Sprintf("knows %d\n", len(told)); log != want {
		t.Errorf("the program says %q, want %q", log, want)
	}
	fmt.Fprintf(h.by("what the controller knows of the machine"), "%+v", i)
	h.processes(t)
	h.read(c)
	if err := cloud.Terminate(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	h.read(c)
	h.neverSays(t, append(c.Secrets, told, Secret)...)
}

// heard is all that somebody has said, by whom and where.
type heard struct {
	mu    sync.Mutex
	texts map[string]*bytes.Buffer
}

// by gives what takes down what is said under a name.
func (h *heard) by(name string) io.Writer {
	return writer(func(p []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.texts[name] == nil {
			h.texts[name] = new(bytes.Buffer)
		}
		h.texts[name].Write(p)
	})
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// overheard is a way to a vendor on which everything is taken down, as it is meant and
// not only as it is encoded.
type overheard struct {
	http.RoundTripper
	by io.Writer
}

// RoundTrip implements [http.RoundTripper].
func (o overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	meant, err := url.QueryUnescape(string(body))
	if err != nil {
		meant = ""
	}
	fmt.Fprintf(o.by, "%s %s\n%v\n%s\n%s\n", r.Method, r.URL, r.Header, body, meant)
	return o.RoundTripper.RoundTrip(r)
}

// printed gives what the program has printed, once that has some text in it.
func printed(t *testing.T, cloud serve.Cloud, ref serve.Ref, text string) string {
	t.Helper()
	for {
		log, err := cloud.Logs(t.Context(), ref, serve.LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(log)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(all), text) {
			return string(all)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// read takes down what can be read of machines.
func (h *heard) read(c Confidant) {
	for what, text := range c.Readable() {
		fmt.Fprint(h.by(what), text)
	}
}

// processes looks at the command lines of all there is.
func (h *heard) processes(t *testing.T) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil { //nolint:gosec // of whatever runs
			fmt.Fprintf(h.by("the list of processes"), "%s\n", line)
		}
	}
}

// neverSays checks that texts are nowhere in what was heard, and that all have said
// something.
func (h *heard) neverSays(t *testing.T, texts ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, said := range h.texts {
		t.Logf("%s has %d bytes", name, said.Len())
		if said.Len() == 0 {
			t.Errorf("%s was not looked at", name)
		}
		for _, text := range texts {
			if bytes.Contains(said.Bytes(), []byte(text)) {
				t.Errorf("%q is in %s", text, name)
			}
		}
	}
}
