// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// seedVariable repeats a run of the crash test.
const seedVariable = "SERVE_CRASH_SEED"

// The controller is killed at random instants while replicas come, go, are
// taken and drained. Afterwards the service is as it should be, and nothing else is.
func TestCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("kills real processes for some seconds")
	}
	const kills = 20
	seed, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	fmt.Printf("TestCrashes: seed %d; again with: %s=%d go test ./internal/command -run TestCrashes\n", seed, seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, seed))

	s := newSite(t)
	mustDo(t, func() error { return os.WriteFile(filepath.Join(s.home, "market.json"), []byte(slowMarket), 0o600) })
	spec := s.spec("web", 2)
	client := s.deploy(spec)
	service, err := client.Service(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	load(t, service.Endpoint+"/slow")
	zones := []string{"us-east1", "us-central1", "us-west1"}
	for kill := range kills {
		switch action := random.IntN(5); action {
		case 0: // scale
			spec.ReplicaPolicy.MinReplicas = 1 + random.IntN(3)
			spec.ReplicaPolicy.MaxReplicas = spec.ReplicaPolicy.MinReplicas
			mustDo(t, func() error { _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); return err })
		case 1: // another revision, which rolls, on other machines or the same
			spec.RollingUpdate = []*serve.RollingUpdate{nil, {MaxSurge: 1}, {MaxUnavailable: 1}}[random.IntN(3)]
			spec.Envs["GREETING"] = fmt.Sprint("hello ", kill)
			mustDo(t, func() error { _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); return err })
		case 2: // a machine is taken
			if running := listed(t, s); len(running) > 0 {
				victim := running[random.IntN(len(running))]
				// It may be going already, which is as good.
				_ = s.cloud.Preempt(t.Context(), "web", victim.Ref.Replica)
			}
		case 3: // a zone runs out of spot, or has some again
			mustDo(t, func() error {
				return s.cloud.SetCapacity(t.Context(), zones[random.IntN(len(zones))], serve.Spot, random.IntN(2)*8)
			})
		case 4: // a person ends a replica, which drains
			if service, err := client.Service(t.Context()); err == nil && len(service.Replicas) > 0 {
				_ = client.TerminateReplica(t.Context(), service.Replicas[random.IntN(len(service.Replicas))].ID, false)
			}
		}
		<-time.After(time.Duration(random.IntN(300)) * time.Millisecond)
		s.killController("web")
		if client, err = s.deployer.Deploy(t.Context(), "web", serve.DeployOptions{}); err != nil {
			t.Fatalf("starting the controller again after kill %d: %v", kill+1, err)
		}
	}

	mustDo(t, func() error { return s.cloud.SetCapacity(t.Context(), "*", serve.Spot, 8) })
	spec.ReplicaPolicy.MinReplicas, spec.ReplicaPolicy.MaxReplicas = 2, 2
	mustDo(t, func() error { _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); return err })
	service = await(t, client, "2/2 on spot", spotOnly(2))

	checkIDs(t, client)
	machines := listed(t, s)
	if len(machines) != 2 {
		t.Errorf("%d machines are there, 2 are wanted: %v", len(machines), machines)
	}
	for i, r := range service.Replicas {
		if !r.Status().IsFailed() && i < len(machines) && machines[i].Ref.Replica != r.ID {
			t.Errorf("machine %d is of replica %d, the table says %d", i, machines[i].Ref.Replica, r.ID)
		}
	}
	if n := s.servers(); n != 2 && n != -1 {
		t.Errorf("%d servers run, 2 are wanted: %v", n, s.processes())
	}
}

// slowMarket gives launches and teardowns a length, so that kills fall into them.
const slowMarket = `{
	"zones": [
		{"region": "us-east1", "zone": "us-east1-b", "spot": 8, "on_demand": 8},
		{"region": "us-central1", "zone": "us-central1-a", "spot": 8, "on_demand": 8},
		{"region": "us-west1", "zone": "us-west1-a", "spot": 8, "on_demand": 8}
	],
	"machines": [{"name": "local-2", "cpus": 2, "memory": 4, "spot": 0.03, "on_demand": 0.1}],
	"boot_seconds": 0.15, "shutdown_seconds": 0.1
}`

// load asks url without a pause until the test ends, so that replicas which are
// ended have requests to drain. Nobody minds the answers: the endpoint dies with
// its controller.
func load(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{}}
	var loops sync.WaitGroup
	for range 4 {
		loops.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					<-time.After(10 * time.Millisecond) // there is no endpoint just now
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		loops.Wait()
		client.CloseIdleConnections()
	})
}

// checkIDs looks through the whole history for an id that was given twice.
func checkIDs(t *testing.T, client serve.Client) {
	t.Helper()
	last := int64(0)
	launched := map[int64]int{}
	err := client.Events(t.Context(), 0, false, func(e serve.Event) bool {
		if e.Decision != nil && e.Decision.Action == serve.Launch {
			if e.Decision.ReplicaID <= last {
				t.Errorf("replica %d was launched after replica %d", e.Decision.ReplicaID, last)
			}
			last = e.Decision.ReplicaID
			launched[last]++
		}
		if strings.HasPrefix(e.Message, "A decision was refused") {
			t.Errorf("policy decided what it must not: %s", e.Message)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d replicas were launched", len(launched))
}

// servers counts the processes that are a replica's server, -1 where that
// cannot be told.
func (s *site) servers() int {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		return -1
	}
	n := 0
	self, _ := os.Executable()
	for _, pid := range s.pids() {
		if exe, err := os.Readlink(filepath.Join("/proc", pid, "exe")); err == nil && exe == self {
			n++
		}
	}
	return n
}

// listed gives the machines of the service web, in the order of replica ids.
func listed(t *testing.T, s *site) []serve.Instance {
	t.Helper()
	machines, err := s.cloud.List(context.Background(), "web")
	if err != nil {
		t.Fatal(err)
	}
	return machines
}

func mustDo(t testing.TB, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}
