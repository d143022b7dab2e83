// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// soakRate is how many requests a second the service is asked.
	soakRate = 500
	// soakPreemption is how often a replica is taken away.
	soakPreemption = 20 * time.Second
	// soakStreams is how many streams are open at any time, each for three seconds.
	soakStreams = 4
	soakEvents  = 10
)

// soakServer says which revision and replica it is, at once or as a stream.
const soakServer = `cat > server.py <<'PY'
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHO = os.environ["REVISION"] + " " + os.environ["SERVE_REPLICA_ID"]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        if self.path != "/stream":
            self.send_header("Content-Length", str(len(WHO)))
            self.end_headers()
            self.wfile.write(WHO.encode())
            return
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(10):
            event = ("data: " + WHO + "\n\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            time.sleep(0.3)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

Server(("", int(os.environ["PORT"])), Handler).serve_forever()
PY
exec python3 server.py`

// soakTime is for how long the service is used: $SERVE_TEST_SOAK, or a short time.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SERVE_TEST_SOAK")
	if text == "" {
		return 80 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A service is asked all the time, while its replicas are taken away one after the
// other, a revision rolls, the controllers are replaced, and another revision takes
// over at once. No request is lost, nobody sees the old revision after the new, and
// a stream breaks only with the machine it comes from.
func TestSoakInACluster(t *testing.T) {
	c := newCluster(t)
	d := c.deployer()
	c.kubectl("label", "node", os.Getenv("SERVE_TEST_NODE"), "serve-infra.io/market=spot")
	t.Cleanup(func() { c.try("label", "node", os.Getenv("SERVE_TEST_NODE"), "serve-infra.io/market-") })
	client, err := d.Deploy(t.Context(), "web", serve.DeployOptions{Endpoint: serve.EndpointOptions{Type: "NodePort"}})
	if err != nil {
		t.Fatal(err)
	}
	spot := true
	spec := serve.NewSpec("web")
	spec.Run, spec.Envs = soakServer, map[string]string{"REVISION": "r1"}
	spec.ReadinessProbe.Path, spec.ReadinessProbe.EndpointProbeIntervalSeconds = "/", 0.5
	spec.ReplicaPolicy = serve.FixedReplicas(3)
	spec.Resources.Resource = serve.Resource{Ports: "8081", CPUs: "0.05", Memory: "0.05", ImageID: "docker:" + c.registry + "/python:1", UseSpot: &spot}
	apply := func(revision string) {
		spec.Envs["REVISION"] = revision
		mustDo(t, func() error { _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); return err })
	}
	settled := func(what string, revision int64) serve.Service {
		return await(t, client, what, func(s serve.Service) bool {
			return slices.Equal(s.ActiveRevisions, []int64{revision}) && s.Counts.Ready == 3 && s.Counts.Total == 3
		})
	}
	apply("r1")
	endpoint := settled("three replicas", 1).Endpoint

	total := soakTime(t)
	s := newSoak(endpoint, total)
	at := func(part float64) <-chan time.Time {
		return time.After(time.Until(s.began.Add(time.Duration(part * float64(total)))))
	}
	preempt := time.NewTicker(soakPreemption)
	defer preempt.Stop()
	rolling, restart, switching := at(0.2), at(0.5), at(0.75)
	for going := true; going; {
		select {
		case <-preempt.C:
			t.Logf("second %d: a replica is taken", int(time.Since(s.began).Seconds()))
			victim := c.replicas()[rand.IntN(len(c.replicas()))]
			s.kill(strings.Split(victim, "-")[1])
			c.kubectl("delete", "pod", victim, "--grace-period=0", "--force", "--wait=false")
		case <-rolling:
			apply("r2")
		case <-restart:
			settled("the rolling update to be over", 2)
			c.kubectl("rollout", "restart", "deployment", "serve-controller")
		case <-switching:
			spec.UpdateMode = serve.BlueGreen
			apply("r3")
		case <-s.over:
			going = false
		}
	}
	s.judge(t, "r3")
	settled("the last revision alone", 3)
	if _, err := d.Destroy(t.Context(), "web"); err != nil {
		t.Error(err)
	}
}

// soak asks a service for a while, and notes what it answers.
type soak struct {
	url    string
	client *http.Client
	began  time.Time
	over   chan struct{}

	mu       sync.Mutex
	answers  map[string]int // by revision
	failures map[string]int // by reason
	first    map[string]time.Time
	stale    map[string]int // answers of a revision that were asked for after another had been seen
	killed   map[string]bool
	killedAt time.Time
	streams  int
	broken   []string
	slowest  time.Duration
}

func newSoak(url string, total time.Duration) *soak {
	s := &soak{
		url: url, began: time.Now(), over: make(chan struct{}),
		client:  &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
		answers: map[string]int{}, failures: map[string]int{}, first: map[string]time.Time{}, stale: map[string]int{}, killed: map[string]bool{},
	}
	ctx, cancel := context.WithTimeout(context.Background(), total)
	var all sync.WaitGroup
	beat := time.NewTicker(time.Second / soakRate)
	all.Go(func() {
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				all.Go(s.ask)
			}
		}
	})
	for range soakStreams {
		all.Go(func() {
			for ctx.Err() == nil {
				s.stream()
			}
		})
	}
	go func() {
		defer cancel()
		defer close(s.over)
		all.Wait()
		s.client.CloseIdleConnections()
	}()
	return s
}

// kill notes that a replica's machine is taken, and its streams with it.
func (s *soak) kill(replica string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killed[replica], s.killedAt = true, time.Now()
}

// ask asks once.
func (s *soak) ask() {
	asked := time.Now()
	resp, err := s.client.Get(s.url)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s", resp.Status, body)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowest = max(s.slowest, time.Since(asked))
	if err != nil {
		s.failures[fmt.Sprintf("%v, in second %d, after %v", err, int(time.Since(s.began).Seconds()), time.Since(asked).Round(10*time.Millisecond))]++
		return
	}
	revision, _, _ := strings.Cut(string(body), " ")
	s.answers[revision]++
	if s.first[revision].IsZero() {
		s.first[revision] = time.Now()
	}
	for other, since := range s.first {
		if other > revision && asked.After(since) {
			s.stale[other+" before "+revision]++
		}
	}
}

// stream reads one stream.
func (s *soak) stream() {
	resp, err := s.client.Get(s.url + "/stream")
	if err != nil {
		s.note(func() { s.failures["stream: "+err.Error()]++ })
		return
	}
	defer resp.Body.Close()
	events, replica := 0, ""
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events++
			_, replica, _ = strings.Cut(data, " ")
		}
	}
	s.note(func() {
		s.streams++
		// One that broke off before it had said anything is of the replica that was
		// taken a moment ago, if one was.
		taken := s.killed[replica] || replica == "" && time.Since(s.killedAt) < 2*time.Second
		if events != soakEvents && !taken {
			s.broken = append(s.broken, fmt.Sprintf("replica %s: %d events, %v", replica, events, lines.Err()))
		}
	})
}

func (s *soak) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// judge says what must not have been.
func (s *soak) judge(t *testing.T, last string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("answers by revision: %v; the slowest took %v; %d replicas were taken; %d streams were read", s.answers, s.slowest.Round(time.Millisecond), len(s.killed), s.streams)
	for _, why := range slices.Sorted(maps.Keys(s.failures)) {
		t.Errorf("%d requests were lost: %s", s.failures[why], why)
	}
	// While a revision rolls both answer.
	if n := s.stale[last+" before r2"] + s.stale[last+" before r1"]; n > 0 {
		t.Errorf("%d answers of an old revision came after the last had taken over", n)
	}
	for _, stream := range s.broken {
		t.Errorf("a stream broke off although its replica was only drained: %s", stream)
	}
	if s.answers[last] == 0 || s.streams == 0 || len(s.killed) == 0 {
		t.Error("there was nothing to see")
	}
}
