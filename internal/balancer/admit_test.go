// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package balancer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func digestOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// one has a network with one replica, which says how much it was sent.
func one(t *testing.T, b *Balancer) {
	t.Helper()
	m := memory{}
	m.serve(t, "replica:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		say(w, string(body))
	}))
	b.SetDial(m.reach)
	b.SetBackends([]Backend{{ID: 7, Address: "replica:80"}})
}

func TestOnlyThoseWithAKeyAreLetIn(t *testing.T) {
	t.Parallel()
	keys := []string{digestOf("one"), strings.ToUpper(digestOf("two"))}
	for name, row := range map[string]struct {
		keys   []string
		header []string
		status int
	}{
		"nobody needs one":               {nil, nil, 200},
		"none is shown":                  {keys, nil, 401},
		"the first as a bearer token":    {keys, []string{"Authorization", "Bearer one"}, 200},
		"the second, in another case":    {keys, []string{"Authorization", "bearer two"}, 200},
		"in a header of its own":         {keys, []string{"X-API-Key", "two"}, 200},
		"another":                        {keys, []string{"Authorization", "Bearer three"}, 401},
		"the digest":                     {keys, []string{"X-API-Key", digestOf("one")}, 401},
		"as a password":                  {keys, []string{"Authorization", "Basic one"}, 401},
		"nothing, of which one is known": {[]string{digestOf("")}, []string{"X-API-Key", ""}, 401},
		"a digest that is none":          {[]string{"", "xyz"}, []string{"X-API-Key", ""}, 401},
	} {
		b := New(Options{Settings: Settings{Keys: row.keys}})
		one(t, b)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for i := 0; i+1 < len(row.header); i += 2 {
			r.Header.Add(row.header[i], row.header[i+1])
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != row.status {
			t.Errorf("%s: got %d, want %d: %s", name, w.Code, row.status, w.Body)
		}
		if w.Code == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: the client is not told how to come in", name)
		}
		// Those who are not let in do not make a service larger.
		if n, want := b.Requests(time.Now()), map[int]int{200: 1, 401: 0}[row.status]; n != want {
			t.Errorf("%s: %d requests are counted, want %d", name, n, want)
		}
	}
}

func TestKeysAreExchangedWhileItServes(t *testing.T) {
	t.Parallel()
	b := New(Options{Settings: Settings{Keys: []string{digestOf("old")}}})
	one(t, b)
	for _, step := range []struct {
		keys []string
		old  int
		new  int
	}{{[]string{"old", "new"}, 200, 200}, {[]string{"new"}, 401, 200}, {nil, 200, 200}} {
		var digests []string
		for _, key := range step.keys {
			digests = append(digests, digestOf(key))
		}
		b.Configure(Settings{Keys: digests})
		for key, want := range map[string]int{"old": step.old, "new": step.new} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("X-API-Key", key)
			w := httptest.NewRecorder()
			if b.ServeHTTP(w, r); w.Code != want {
				t.Errorf("with the keys %v %q gets %d, want %d", step.keys, key, w.Code, want)
			}
		}
	}
}

func TestARequestMayBeTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 100
	two := startReplica(t, 7, "", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		say(w, string(body))
	})
	_, front := startFront(t, Options{Settings: Settings{MaxBody: limit}}, two.Backend)
	client := newClient(t)
	for name, row := range map[string]struct {
		body   io.Reader
		status int
	}{
		"just as large":                     {strings.NewReader(strings.Repeat("x", limit)), 200},
		"too large":                         {strings.NewReader(strings.Repeat("x", limit+1)), 413},
		"just as large, of unknown length":  {io.MultiReader(strings.NewReader(strings.Repeat("x", limit))), 200},
		"too large, of unknown length":      {io.MultiReader(strings.NewReader(strings.Repeat("x", limit+1))), 413},
		"much too large, of unknown length": {io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20))), 413},
		"nothing":                           {nil, 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, row.body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != row.status {
			t.Errorf("%s: got %d, want %d: %s", name, resp.StatusCode, row.status, answer)
		}
	}
}

func TestTheAccessLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := New(Options{Settings: Settings{AccessLog: true, Keys: []string{digestOf("k")}}, Log: slog.New(slog.NewJSONHandler(&out, nil))})
	one(t, b)
	for _, key := range []string{"k", "wrong"} {
		r := httptest.NewRequest(http.MethodPost, "/v1/chat?secret=1", strings.NewReader("hello"))
		r.Header.Set("X-API-Key", key)
		b.ServeHTTP(httptest.NewRecorder(), r)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("the log has %d lines:\n%s", len(lines), out.String())
	}
	for i, want := range []map[string]any{
		{"method": "POST", "path": "/v1/chat", "status": 200.0, "bytes": 5.0, "replica": 7.0, "protocol": "HTTP/1.1", "client": "192.0.2.1:1234", "host": "example.com"},
		{"method": "POST", "path": "/v1/chat", "status": 401.0, "bytes": 0.0, "replica": 0.0},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("line %d has %s = %v, want %v", i, key, got[key], value)
			}
		}
	}
	if strings.Contains(out.String(), "secret") {
		t.Errorf("the log has the query: %s", out.String())
	}
	out.Reset()
	b.Configure(Settings{})
	b.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if out.Len() > 0 {
		t.Errorf("without an access log there is %s", out.String())
	}
}
