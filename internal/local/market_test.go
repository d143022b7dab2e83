// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestOffersFitWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *config) {
		c.Machines = append(c.Machines, machineType{
			Name: "gpu", CPUs: 8, Memory: 64, Accelerators: "A100:2", price: price{Spot: 1, OnDemand: 3},
		})
		c.Zones[1].Prices = map[string]price{"local-2": {Spot: 0.01, OnDemand: 0.10}}
	})
	for name, c := range map[string]struct {
		ask   serve.Resource
		first string // zone, machine and market of the cheapest offer
		count int
	}{
		"anything is every machine without accelerators": {serve.Resource{}, "us-central1-a local-2 spot", 12},
		"exactly 2 cpus":                      {serve.Resource{CPUs: "2"}, "us-central1-a local-2 spot", 6},
		"at least 3 cpus":                     {serve.Resource{CPUs: "3+"}, "us-east1-b local-4 spot", 6},
		"exactly 3 cpus is nothing":           {serve.Resource{CPUs: "3"}, "", 0},
		"memory with a unit":                  {serve.Resource{Memory: "8192MB+"}, "us-east1-b local-4 spot", 6},
		"one region":                          {serve.Resource{Infra: "local/us-west1", CPUs: "2"}, "us-west1-a local-2 spot", 2},
		"one zone, any region":                {serve.Resource{Infra: "local/*/us-east1-b", CPUs: "2"}, "us-east1-b local-2 spot", 2},
		"another cloud is nothing":            {serve.Resource{Infra: "aws"}, "", 0},
		"at most this price":                  {serve.Resource{MaxHourlyCost: 0.02}, "us-central1-a local-2 spot", 1},
		"accelerators by name and count":      {serve.Resource{Accelerators: "a100:2"}, "us-east1-b gpu spot", 6},
		"one accelerator is not two":          {serve.Resource{Accelerators: "A100"}, "", 0},
		"a machine with accelerators by name": {serve.Resource{InstanceType: "gpu"}, "us-east1-b gpu spot", 6},
	} {
		t.Run(name, func(t *testing.T) {
			offers, err := f.Offers(t.Context(), c.ask)
			if err != nil {
				t.Fatal(err)
			}
			first := ""
			if len(offers) > 0 {
				first = offers[0].Location.Zone + " " + offers[0].InstanceType + " " + string(offers[0].Market)
			}
			if first != c.first || len(offers) != c.count {
				t.Errorf("Offers = %d, the first %q; want %d, %q", len(offers), first, c.count, c.first)
			}
		})
	}
}

func TestTheDefaultMarketIsWrittenOnFirstUse(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "home")
	c := NewCloud(CloudOptions{Root: root, Executable: os.Args[0]})
	if _, err := c.List(t.Context(), "web"); err != nil || exists(root) {
		t.Errorf("looking alone made the home directory: %v", err)
	}
	m, err := c.Market(t.Context())
	if err != nil || len(m.Pools) != 6 {
		t.Fatalf("Market = %+v, %v; want three zones in two markets", m, err)
	}
	want := Pool{
		Location: serve.Location{Cloud: "local", Region: "us-east1", Zone: "us-east1-b"},
		Market:   serve.Spot, Capacity: 8, Price: 0.03,
	}
	if diff := cmp.Diff(want, m.Pools[0]); diff != "" {
		t.Errorf("the first pool (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(root, marketFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("market.json: %v, %v; want it for its owner alone", info, err)
	}
}

func TestAMarketWithAMistakeSaysWhere(t *testing.T) {
	t.Parallel()
	for want, content := range map[string]string{
		`unknown field "spots"`:            `{"zones": [{"region": "a", "zone": "b", "spots": 1}]}`,
		`zone "b" is there twice`:          `{"zones": [{"region": "a", "zone": "b"}, {"region": "c", "zone": "b"}]}`,
		`zone "b": it needs both`:          `{"zones": [{"zone": "b"}]}`,
		`zone "b": a capacity is below 0`:  `{"zones": [{"region": "a", "zone": "b", "spot": -1}]}`,
		`there is no machine "x"`:          `{"zones": [{"region": "a", "zone": "b", "prices": {"x": {"spot": 1}}}]}`,
		`machine "m" is there twice`:       `{"machines": [{"name": "m"}, {"name": "m"}]}`,
		`machine "m": a number is below 0`: `{"machines": [{"name": "m", "cpus": -1}]}`,
		`machine "m": accelerators`:        `{"machines": [{"name": "m", "accelerators": "A:x"}]}`,
		`machine "": it needs a name`:      `{"machines": [{"cpus": 1}]}`,
		`a price is below 0`:               `{"machines": [{"name": "m"}], "zones": [{"region": "a", "zone": "b", "prices": {"m": {"spot": -1}}}]}`,
		`addressing "both" is neither`:     `{"addressing": "both"}`,
		`a number of seconds is below 0`:   `{"notice_seconds": -1}`,
		`trace: file is missing`:           `{"trace": {}}`,
		`trace: speed is below 0`:          `{"trace": {"file": "f", "speed": -1}}`,
		`EOF`:                              ``,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, marketFile), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := NewCloud(CloudOptions{Root: root}).Offers(t.Context(), serve.Resource{})
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), marketFile) {
				t.Errorf("Offers = %v, want an error that names the file and says %q", err, want)
			}
		})
	}
}

func TestManyLaunchesAtOnceStopAtTheCapacity(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const many, room = 20, 5
	offer := f.request(0, "").Offer
	if err := f.SetCapacity(f.ctx, offer.Location.Zone, serve.Spot, room); err != nil {
		t.Fatal(err)
	}
	var launched, refused atomic.Int32
	addresses := sync.Map{}
	var all sync.WaitGroup
	for id := range many {
		all.Go(func() {
			// Half of them as if from another process.
			c := f.Cloud
			if id%2 == 0 {
				c = newCloud(f.home)
			}
			i, err := c.Launch(f.ctx, f.request(int64(id), "exec sleep 3600"))
			switch {
			case errors.Is(err, serve.ErrCapacity):
				refused.Add(1)
			case err != nil:
				t.Errorf("Launch: %v", err)
			default:
				launched.Add(1)
				if other, taken := addresses.LoadOrStore(i.Address, id); taken {
					t.Errorf("replicas %d and %v both have the address %s", id, other, i.Address)
				}
			}
		})
	}
	all.Wait()
	if launched.Load() != room || refused.Load() != many-room {
		t.Errorf("%d launched and %d refused, want %d and %d", launched.Load(), refused.Load(), room, many-room)
	}
	list, err := f.List(f.ctx, "web")
	if err != nil || len(list) != room {
		t.Errorf("List gives %d machines, %v; want %d", len(list), err, room)
	}
	m, err := f.Market(f.ctx)
	if err != nil || m.Pools[0].InUse != room || m.Pools[0].Capacity != room {
		t.Errorf("Market = %+v, %v; want %d of %d in use", m, err, room, room)
	}
}

func TestLessCapacityTakesTheNewestSpotMachines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for id := range int64(3) {
		f.launch(f.request(id+1, "exec sleep 3600"))
	}
	onDemand := f.request(9, "exec sleep 3600")
	onDemand.Offer.Market = serve.OnDemand
	f.launch(onDemand)
	notices, _ := f.watch(f.Cloud)
	for _, m := range []serve.Market{serve.Spot, serve.OnDemand} {
		if err := f.SetCapacity(f.ctx, "us-east1", m, 1); err != nil {
			t.Fatal(err)
		}
	}
	gone := make(map[int64]bool)
	for range 2 {
		gone[f.await(notices, serve.NoticeGone).Ref.Replica] = true
	}
	if !gone[3] || !gone[2] {
		t.Errorf("gone are %v, want the newest, 3 and 2", gone)
	}
	for _, id := range []int64{1, 9} {
		ref := f.request(id, "").Ref
		if !f.record(ref).running() {
			t.Errorf("replica %d was taken too", id)
		}
	}
	if err := f.SetCapacity(f.ctx, "*", serve.Spot, 2); err != nil {
		t.Fatal(err)
	}
	if n := f.await(notices, serve.NoticeCapacity); n.Market != serve.Spot || n.Location.Zone != "us-east1-b" {
		t.Errorf("told of capacity %+v, want spot in us-east1-b", n)
	}
	if err := f.SetCapacity(f.ctx, "nowhere", serve.Spot, 2); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("SetCapacity of no zone = %v, want ErrNotFound", err)
	}
}

func TestAHandEditedMarketTakesMachinesToo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	req := f.request(1, "exec sleep 3600")
	f.launch(req)
	notices, _ := f.watch(f.Cloud)
	cfg, err := readConfig(f.home)
	if err != nil {
		t.Fatal(err)
	}
	*cfg.Zones[0].Spot = 0
	if err := jsonfile.Write(f.home.market(), cfg); err != nil {
		t.Fatal(err)
	}
	f.await(notices, serve.NoticeGone)
}

func TestPreemptionWithNotice(t *testing.T) {
	t.Parallel()
	const seconds = 0.5
	f := newFixture(t, func(c *config) { c.NoticeSeconds = seconds })
	req := f.request(1, `while [ ! -e "$SERVE_NOTICE_FILE" ]; do sleep 0.01; done; echo warned; exec sleep 3600`)
	f.launch(req)
	notices, _ := f.watch(f.Cloud)
	before := time.Now()
	// By a process that is gone when the deadline comes.
	for range 2 {
		if err := newCloud(f.home).Preempt(f.ctx, "web", 1); err != nil {
			t.Fatal(err)
		}
	}
	n := f.await(notices, serve.NoticeInterruption)
	if n.Ref != req.Ref || n.Deadline.Before(before.Add(serve.Seconds(seconds))) {
		t.Errorf("told %+v, want a deadline %v s from now", n, seconds)
	}
	f.printed(req.Ref, "warned")
	if gone := f.await(notices, serve.NoticeGone); time.Now().Before(n.Deadline) {
		t.Errorf("told %+v before the deadline", gone)
	}
	f.nothingRuns()
	if err := f.Preempt(f.ctx, "web", 1); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("Preempt of a dead machine = %v, want ErrNotFound", err)
	}
}

func TestAPreemptedProgramHasNotFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const many = 6
	for id := range int64(many) {
		f.launch(f.request(id+1, "sleep 3600; exit 3"))
	}
	notices, stop := f.watch(f.Cloud)
	for id := range int64(many) {
		if err := f.Preempt(f.ctx, "web", id+1); err != nil {
			t.Fatal(err)
		}
		f.await(notices, serve.NoticeGone)
	}
	stop()
	for {
		select {
		case n := <-notices:
			if n.Kind != serve.NoticeCapacity {
				t.Errorf("told %+v, want nothing but that the machines are gone", n)
			}
			continue
		default:
		}
		break
	}
	for id := range int64(many) {
		if r := f.record(f.request(id+1, "").Ref); r.state.Phase == phaseExited {
			t.Errorf("replica %d says that its program ended: %+v", id+1, r.state)
		}
	}
}
