// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// apiServer is the API server of a cluster with one node and some pods, which is asked
// for lists and watches of those.
type apiServer struct {
	*testing.T
	mu      sync.Mutex
	tokens  map[string]bool // that are let in
	pods    map[string]corev1.Pod
	ended   []corev1.Pod // pods that were deleted, each a change
	changed chan struct{}
	// asked has who asked for what, and opened each watch that has begun, both by their
	// tokens.
	asked  []string
	opened chan string
	// at are the URLs by which it is reached, with the certificate of each.
	at map[string][]byte
}

func newAPIServer(t *testing.T, pods ...string) *apiServer {
	s := &apiServer{
		T: t, tokens: map[string]bool{}, pods: map[string]corev1.Pod{}, changed: make(chan struct{}),
		opened: make(chan string, 100), at: map[string][]byte{},
	}
	for i, name := range pods {
		p := corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "replicas", UID: types.UID("uid of " + name), ResourceVersion: "1",
			Labels: map[string]string{labelService: "web", labelUID: "u", labelReplica: strconv.Itoa(i + 1)},
		}}
		p.Spec.NodeName = "node"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: containerName, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		s.pods[name] = p
	}
	return s
}

// listen has the server be reached by one more address, below a path.
func (s *apiServer) listen(path string) (url string) {
	server := httptest.NewTLSServer(http.StripPrefix(path, s))
	s.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.at[server.URL+path] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server.URL + path
}

// kubeconfig is what a controller is given that is to be let in with a token.
func (s *apiServer) kubeconfig(url, token, namespace string) string {
	ca, err := json.Marshal(s.at[url])
	if err != nil {
		s.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"kubeconfig": fmt.Sprintf(`{
		"apiVersion": "v1", "kind": "Config", "current-context": "it",
		"clusters": [{"name": "it", "cluster": {"server": %q, "certificate-authority-data": %s}}],
		"users": [{"name": "it", "user": {"token": %q}}],
		"contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": %q}}]
	}`, url, ca, token, namespace)})
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func (s *apiServer) admit(token string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = in
}

// lose has a pod be deleted.
func (s *apiServer) lose(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pods[name]
	delete(s.pods, name)
	s.ended = append(s.ended, p)
	close(s.changed)
	s.changed = make(chan struct{})
}

// by gives what was asked with a token since it was looked last.
func (s *apiServer) by(token string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var asked []string
	for _, line := range s.asked {
		if what, ours := strings.CutPrefix(line, token+" "); ours {
			asked = append(asked, what)
		}
	}
	s.asked = nil
	return asked
}

// at which version of the cluster the world is, which every change makes another.
func (s *apiServer) version() string { return strconv.Itoa(len(s.ended) + 1) }

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	what := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	s.mu.Lock()
	in := s.tokens[token]
	s.asked = append(s.asked, token+" "+what)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !in:
		w.WriteHeader(http.StatusUnauthorized)
		s.write(w, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonUnauthorized, Code: http.StatusUnauthorized})
	case r.URL.Query().Get("watch") == "true":
		s.opened <- what + " by " + token
		s.watch(w, r, what == "pods")
	default:
		s.list(w, what)
	}
}

func (s *apiServer) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Logf("answering: %v", err)
	}
}

func (s *apiServer) node() corev1.Node {
	return corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "node", UID: "node", ResourceVersion: "1"}}
}

func (s *apiServer) list(w http.ResponseWriter, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	meta := metav1.ListMeta{ResourceVersion: s.version()}
	switch what {
	case "pods":
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: meta}
		for _, p := range s.pods {
			list.Items = append(list.Items, p)
		}
		s.write(w, list)
	case "nodes":
		s.write(w, corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"}, ListMeta: meta, Items: []corev1.Node{s.node()}})
	default:
		s.write(w, corev1.SecretList{TypeMeta: metav1.TypeMeta{Kind: "SecretList", APIVersion: "v1"}, ListMeta: meta})
	}
}

// watch tells what there is, if it is asked for, and then what changes.
func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, pods bool) {
	tell := func(kind string, object any) { s.write(w, map[string]any{"type": kind, "object": object}) }
	from, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	for first := r.URL.Query().Get("sendInitialEvents") == "true"; ; first = false {
		s.mu.Lock()
		if first {
			mark := metav1.ObjectMeta{ResourceVersion: s.version(), Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}
			if pods {
				for _, p := range s.pods {
					tell("ADDED", p)
				}
				tell("BOOKMARK", corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}, ObjectMeta: mark})
			} else {
				tell("ADDED", s.node())
				tell("BOOKMARK", corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}, ObjectMeta: mark})
			}
		} else if pods {
			for i, p := range s.ended[max(0, from-1):] {
				p.ResourceVersion = strconv.Itoa(max(1, from) + i + 1)
				tell("DELETED", p)
			}
		}
		from = len(s.ended) + 1
		changed := s.changed
		s.mu.Unlock()
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// A cluster is shown another kubeconfig once that was given and lets in. What is watched
// goes on where it was, and of no pod it is thought that it is gone.
func TestAClusterIsShownTheKubeconfigThatWasGivenLast(t *testing.T) {
	t.Parallel()
	s, other := newAPIServer(t, "one", "two", "three"), newAPIServer(t)
	at, elsewhere := s.listen(""), other.listen("")
	s.admit("first", true)
	other.admit("first", true)
	var mu sync.Mutex
	given := s.kubeconfig(at, "first", "replicas")
	c := NewCloud(CloudOptions{Shown: func(context.Context, string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return given, nil
	}})
	renew := func(what, text string, changed bool, want error, words string) {
		t.Helper()
		mu.Lock()
		given = text
		mu.Unlock()
		got, err := c.Renew(t.Context())
		if got != changed || !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%s: changed is %v, %v; want %v, and %v that says %q", what, got, err, changed, want, words)
		}
	}
	opened := func(by string) {
		t.Helper()
		for range 2 {
			if got := <-s.opened; !strings.HasSuffix(got, " by "+by) {
				t.Errorf("there is a watch of %s, want one by %s", got, by)
			}
		}
	}
	renew("nothing was asked yet", given, false, nil, "")
	ctx, cancel := context.WithCancel(t.Context())
	told, over := make(chan serve.Notice, 100), make(chan error)
	go func() { over <- c.Notices(ctx, "web", func(n serve.Notice) { told <- n }) }()
	lost := func(name string, id int64) {
		t.Helper()
		s.lose(name)
		select {
		case n := <-told:
			if n.Kind != serve.NoticeGone || n.Ref.Replica != id {
				t.Errorf("told is %+v, want that replica %d is gone", n, id)
			}
		case err := <-over:
			t.Fatalf("nothing is told any more: %v", err)
		}
	}
	opened("first")
	if list, err := c.List(t.Context(), "web"); err != nil || len(list) != 3 {
		t.Fatalf("there are %+v, %v", list, err)
	}

	renew("of nobody", s.kubeconfig(at, "nobody", "replicas"), false, serve.ErrUnauthorized, "looking at nodes")
	renew("no kubeconfig", "apiVersion: v1", false, serve.ErrUnauthorized, "no kubeconfig")
	renew("to another namespace", s.kubeconfig(at, "first", "apps"), false, serve.ErrUnauthorized, `the namespace "apps"`)
	renew("to another cluster", other.kubeconfig(elsewhere, "first", "replicas"), false, serve.ErrUnauthorized, "another cluster")
	lost("one", 1)

	s.admit("second", true)
	renew("another token", s.kubeconfig(at, "second", "replicas"), true, nil, "")
	s.admit("first", false)
	opened("second")
	s.by("")
	lost("two", 2)
	if list, err := c.List(t.Context(), "web"); err != nil || len(list) != 1 {
		t.Errorf("by another token there are %+v, %v", list, err)
	}

	// The same cluster has another address and another certificate.
	renew("another address", s.kubeconfig(s.listen("/clusters/it"), "second", "replicas"), true, nil, "")
	opened("second")
	lost("three", 3)
	if asked := s.by("first"); len(asked) > 0 {
		t.Errorf("by the first token was asked for %q", asked)
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) || len(told) > 0 {
		t.Errorf("it ends with %v, and %d more was told", err, len(told))
	}
}

// stream is a way to a pod that notes its end.
type stream struct {
	httpstream.Connection
	closed chan bool
}

func newStream() stream                 { return stream{closed: make(chan bool)} }
func (s stream) CloseChan() <-chan bool { return s.closed }
func (s stream) Close() error           { close(s.closed); return nil }
func (s stream) isClosed() bool         { return (&tunnel{Connection: s}).broken() }
func closed(all ...stream) (which []bool) {
	for _, s := range all {
		which = append(which, s.isClosed())
	}
	return which
}

// Connections to pods go on when there is another key, and new ones go another way.
func TestConnectionsToPodsOutlastTheirKey(t *testing.T) {
	t.Parallel()
	now, before := &access{over: t.Context()}, &access{}
	var end context.CancelFunc
	before.over, end = context.WithCancel(t.Context())
	end()
	var all tunnels
	one, two, late, again := newStream(), newStream(), newStream(), newStream()
	used, idle := all.keep("one", one, now), all.keep("two", two, now)
	all.leave(idle)
	if all.enter("one") != used || all.enter("three") != nil {
		t.Error("a way is not found that there is, or one is that there is not")
	}
	all.leave(used)
	all.renew()
	if got := closed(one, two); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("with another key closed are %v; want only what nobody uses", got)
	}
	if all.enter("one") != nil {
		t.Error("a new connection goes the old way")
	}
	// It was being opened when the other key came.
	other := all.keep("one", late, before)
	if all.enter("one") != nil {
		t.Error("others go a way that was opened with an old key")
	}
	if way := all.keep("one", again, now); all.enter("one") != way {
		t.Error("the new way is not found")
	}
	all.leave(other)
	all.leave(used)
	if got := closed(one, late, again); !slices.Equal(got, []bool{true, true, false}) {
		t.Errorf("in the end closed are %v; want the old ways", got)
	}
}
