// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Who has been given a kubeconfig reaches pods whose addresses are of no use to it,
// as many at a time as it likes, and hears when nobody listens.
func TestPodsAreReachedThroughTheAPIServer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	content, err := os.ReadFile(r.config.Path)
	if err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(map[string]string{"kubeconfig": string(content)})
	if err != nil {
		t.Fatal(err)
	}
	c := r.cloud(t, func(o *CloudOptions) {
		o.Config, o.Shown = Config{}, func(context.Context, string) (string, error) { return string(given), nil }
	})
	l := newLive(t, r, c, r.resource(), serve.Spot)
	l.req.Task.Run = "mkdir -p www && echo hello > www/index.html && exec httpd -f -p $PORT -h www"
	i := l.launch(t)
	_, port, err := net.SplitHostPort(i.Address)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("192.0.2.1", port) // where nobody is
	ask := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn, err := c.Dial(ctx, l.req.Ref, address)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // of a pipe, which takes it
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return "", err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return strings.TrimSpace(string(body)), err
	}
	deadline := time.Now().Add(time.Minute)
	for said, err := ask(); said != "hello"; said, err = ask() {
		if time.Now().After(deadline) {
			t.Fatalf("through the API server the pod says %q, %v", said, err)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if said, err := ask(); said != "hello" || err != nil {
				t.Errorf("one of many is told %q, %v", said, err)
			}
		})
	}
	all.Wait()
	address = net.JoinHostPort("192.0.2.1", fmt.Sprint(9))
	if said, err := ask(); err == nil {
		t.Errorf("where nobody listens %q is said", said)
	}
	address = net.JoinHostPort("192.0.2.1", port)
	if said, err := ask(); said != "hello" || err != nil {
		t.Errorf("after that the pod says %q, %v", said, err)
	}
	if err := c.Terminate(t.Context(), l.req.Ref); err != nil {
		t.Fatal(err)
	}
	if said, err := ask(); err == nil {
		t.Errorf("a pod that is gone says %q", said)
	}
}
