// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

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

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

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

// overheard is a way to AWS on which everything is taken down, as it is meant and
// not only as it is encoded.
type overheard struct {
	http.RoundTripper
	by io.Writer
}

func (o overheard) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	meant, err := url.QueryUnescape(string(body))
	if err != nil {
		meant = ""
	}
	fmt.Fprintf(o.by, "%s %s\n%v\n%s\n%s\n", r.Method, r.URL, r.Header, body, meant)
	return o.RoundTripper.RoundTrip(r)
}

// Secrets are known to the machine and its program, and to nobody who looks from
// elsewhere: at what AWS is asked and tells, at logs, or at the processes and files
// of the machine as another user than root.
func TestSecretsAreToldToTheMachineAlone(t *testing.T) {
	t.Parallel()
	told := rand.Text()
	h := &heard{texts: map[string]*bytes.Buffer{}}
	y := newYard(t)
	y.Cloud = aws.NewCloud(aws.CloudOptions{
		Known:  brief(t, aws.Config{Regions: []string{"us-east-1"}}),
		Secret: func() ([]byte, error) { return []byte(fleettest.Secret), nil }, Program: fleettest.Itself(),
		Transport: overheard{y.aws.Client().Transport, h.by("a request to AWS")},
		Log:       slog.New(slog.NewTextHandler(h.by("the controller's log"), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	offers, err := y.Offers(t.Context(), small())
	if err != nil || len(offers) == 0 {
		t.Fatalf("Offers = %v, %v", offers, err)
	}
	ref := serve.Ref{Service: "web", UID: "5f3c", Replica: 1}
	i, err := y.Launch(t.Context(), serve.LaunchRequest{
		Ref: ref, Revision: 1, Offer: offers[0], Resource: small(), Port: 8080,
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
	log := printed(t, y, ref, "knows")
	if want := fmt.Sprintf("knows %d\n", len(told)); log != want {
		t.Errorf("the program says %q, want %q", log, want)
	}
	for _, e := range y.aws.Books().Instances {
		fmt.Fprintf(h.by("the books of AWS"), "%+v\n", e)
	}
	fmt.Fprintf(h.by("what the controller knows of the machine"), "%+v", i)
	h.processes(t)
	if err := y.Terminate(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(h.by("the console of the machine"), y.aws.Console(i.ID))
	h.neverSays(t, told, fleettest.Secret, awstest.SecretKey)
}

// printed gives what the program has printed, once that has some text in it.
func printed(t *testing.T, y *yard, ref serve.Ref, text string) string {
	t.Helper()
	for {
		log, err := y.Logs(t.Context(), ref, serve.LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(log)
		log.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(all), text) {
			return string(all)
		}
		<-time.After(20 * time.Millisecond)
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
		if line, err := os.ReadFile(path); err == nil {
			fmt.Fprintf(h.by("the list of processes"), "%s\n", line)
		}
	}
}

// neverSays checks that texts are nowhere in what was heard, and that all have
// said something.
func (h *heard) neverSays(t *testing.T, texts ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, said := range h.texts {
		t.Logf("%s has %d bytes", name, said.Len())
		for _, text := range texts {
			if bytes.Contains(said.Bytes(), []byte(text)) {
				t.Errorf("%q is in %s", text, name)
			}
		}
	}
}
