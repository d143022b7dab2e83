// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The moment the seed document shows after the preemption of replica 1, in its
// own columns.
func TestTablesOfTheSeed(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	gcp := func(market serve.Market, region string) serve.Offer {
		return serve.Offer{Market: market, Location: serve.Location{Cloud: "gcp", Region: region}, CPUs: 2}
	}
	replicas := []serve.Replica{
		{ID: 2, Revision: 1, Market: serve.Spot, Offer: gcp(serve.Spot, "us-central1"), CreatedAt: at.Add(-7 * time.Minute),
			Launch: serve.LaunchSucceeded, Ready: true, Address: "34.68.226.193:8081"},
		{ID: 5, Revision: 1, Market: serve.Spot, Offer: gcp(serve.Spot, "us-central1"), CreatedAt: at.Add(-13 * time.Second), Launch: serve.LaunchRunning},
		{ID: 6, Revision: 1, Market: serve.OnDemand, Offer: gcp(serve.OnDemand, "us-central1"), CreatedAt: at.Add(-13 * time.Second), Launch: serve.LaunchRunning},
		{ID: 7, Revision: 1, Market: serve.Spot, CreatedAt: at, Launch: serve.LaunchWaiting},
	}
	service := serve.Service{
		Name: "http-server", Revision: 1, Status: serve.Ready, Endpoint: "http://54.227.229.217:30001", ActiveRevisions: []int64{1},
		FirstReadyAt: at.Add(-7*time.Minute - 2*time.Second), Counts: serve.Count(replicas[:3]), Replicas: replicas,
	}
	want := `Services
NAME         VERSION  UPTIME  STATUS  REPLICAS  ENDPOINT
http-server  1        7m 2s   READY   1/3       54.227.229.217:30001

Service Replicas
SERVICE_NAME  ID  VERSION  ENDPOINT                   LAUNCHED     RESOURCES             STATUS        REGION
http-server   2   1        http://34.68.226.193:8081  7 mins ago   1x GCP([Spot]vCPU=2)  READY         us-central1
http-server   5   1        -                          13 secs ago  1x GCP([Spot]vCPU=2)  PROVISIONING  us-central1
http-server   6   1        -                          13 secs ago  1x GCP(vCPU=2)        PROVISIONING  us-central1
http-server   7   1        -                          0 secs ago   [Spot]                PROVISIONING  -
`
	var got strings.Builder
	if err := writeTables(&got, []serve.Service{service}, at, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("the tables (-want +got):\n%s", diff)
	}
}

func TestTablesAreCutAtTenReplicas(t *testing.T) {
	service := serve.Service{Name: "web", Revision: 3, Message: "nothing is launched"}
	for id := range int64(12) {
		service.Replicas = append(service.Replicas, serve.Replica{ID: id + 1})
	}
	for _, row := range []struct {
		all  bool
		rows int
		hint bool
	}{{false, 10, true}, {true, 12, false}} {
		var got strings.Builder
		if err := writeTables(&got, []serve.Service{service}, time.Now(), row.all); err != nil {
			t.Fatal(err)
		}
		if rows := strings.Count(got.String(), "PENDING"); rows != row.rows {
			t.Errorf("with -v=%v it shows %d replicas, not %d", row.all, rows, row.rows)
		}
		if hint := strings.Contains(got.String(), "2 more"); hint != row.hint {
			t.Errorf("with -v=%v there is a hint: %v", row.all, hint)
		}
		if !strings.Contains(got.String(), "web: nothing is launched") {
			t.Errorf("the service's message is not shown:\n%s", &got)
		}
	}
}

func TestPoolsAreShownOnDemand(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	service := serve.Service{Name: "web", Pools: []serve.Pool{
		{Location: serve.ParseLocation("gcp/us-east1/us-east1-b"), Market: serve.Spot, InstanceType: "n2-standard-2", HeldSince: at.Add(-90 * time.Second)},
		{Location: serve.ParseLocation("gcp/us-central1/us-central1-a"), Market: serve.Spot, InstanceType: "n2-standard-2",
			Refusals: 3, BlockedUntil: at.Add(40 * time.Second), Preemptions: 1, AvoidedUntil: at.Add(-time.Second)},
	}}
	want := `
Pools
SERVICE_NAME  LOCATION                       INSTANCE_TYPE  MARKET  HELD    REFUSED           LOST
web           gcp/us-east1/us-east1-b        n2-standard-2  spot    1m 30s  -                 -
web           gcp/us-central1/us-central1-a  n2-standard-2  spot    -       3x, for 40s more  1x
`
	var some, all strings.Builder
	if err := writeTables(&some, []serve.Service{service}, at, false); err != nil {
		t.Fatal(err)
	}
	if err := writeTables(&all, []serve.Service{service}, at, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings.TrimPrefix(all.String(), some.String())); diff != "" {
		t.Errorf("with -v is added (-want +got):\n%s", diff)
	}
}

func TestTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 secs ago", time.Second: "1 sec ago", 59 * time.Second: "59 secs ago", time.Minute: "1 min ago",
		4 * time.Minute: "4 mins ago", time.Hour: "1 hr ago", 50 * time.Hour: "2 days ago", -time.Second: "0 secs ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v is %q, not %q", d, got, want)
		}
	}
	at := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		17 * time.Second: "17s", 77 * time.Second: "1m 17s", 3*time.Hour + 2*time.Minute: "3h 2m", 49 * time.Hour: "2d 1h",
	} {
		if got := uptime(serve.Service{FirstReadyAt: at.Add(-d)}, at); got != want {
			t.Errorf("%v is %q, not %q", d, got, want)
		}
	}
	if got := uptime(serve.Service{}, at); got != "-" {
		t.Errorf("a service that was never ready is up %q", got)
	}
}
