// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package servetest

import (
	"encoding/json"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// exampleState gives a state with something in every place where a store could
// lose it.
func exampleState() serve.State {
	// Nanoseconds, because a store that rounds times changes decisions.
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	qps := serve.QPS{PerAccelerator: map[string]float64{"A100": 2.5}}
	spec := serve.NewSpec("http")
	spec.ReplicaPolicy.TargetQPSPerReplica = &qps
	spec.TLS = &serve.TLS{Certificate: "certificate", Key: "key"}
	spec.Run = "python3 server.py # <&> \u2028 \x00 \U0001F680"
	spec.Envs = map[string]string{"MODEL": "small"}
	spec.Secrets = map[string]string{"TOKEN": "hunter2"}
	spec.FileMounts = map[string]string{"/data": "sha256:00"}
	old := serve.NewSpec("http")
	old.Envs = map[string]string{"MODEL": "tiny"}
	offer := serve.Offer{
		Location: serve.Location{Cloud: "aws", Region: "us-east-1", Zone: "us-east-1a"},
		Market:   serve.Spot, InstanceType: "m5.large", Price: 0.0312, CPUs: 2, Memory: 8,
	}
	return serve.State{
		Name:         "http",
		UID:          "0b5e1f",
		Revision:     2,
		Spec:         spec,
		CreatedAt:    at,
		UpdatedAt:    at.Add(time.Hour),
		FirstReadyAt: at.Add(time.Minute),
		NextID:       1 << 60,
		Replicas: []serve.Replica{
			{ID: 1, Revision: 1, Market: serve.Spot, Offer: offer, Task: "sha256:01", Shape: "sha256:02", CreatedAt: at,
				Launch: serve.LaunchSucceeded, Teardown: serve.TeardownFailed, Cause: serve.CausePreempted,
				Message: "it would not end", Instance: "i-1", Address: "127.0.0.2:8081", LaunchedAt: at, FirstReadyAt: at,
				FailingSince: at, Ready: true, Attempts: 3, EndedAt: at, DrainUntil: at, Restart: serve.RestartRunning, RestartedAt: at},
			{ID: 2, Revision: 2, Market: serve.OnDemand, CreatedAt: at, Launch: serve.LaunchPending},
		},
		Old: map[int64]serve.Spec{1: old},
		Ledger: serve.Ledger{Since: at, At: at, Spot: serve.Usage{Hours: 1.5, Dollars: 0.1 + 0.2}, Saved: -0.5, Interrupted: 1,
			Machines:      []serve.Machine{{Replica: 1, Market: serve.Spot, Price: 0.0312, Regular: 0.1, Interrupted: true}},
			Interruptions: []serve.Interruption{{Replica: 1, Market: serve.Spot, Location: offer.Location, At: at, NoticeSeconds: 120, RequestsRetried: 2, RequestsLost: 1}},
			Timeline:      []serve.Span{{At: at, Spot: 1. / 3, Target: 2, BelowSeconds: 0.25}}},
		Memory: json.RawMessage(`{"placer":{"aws":[1,2.5,null]},"big":9007199254740993}`),
	}
}

// exampleEvent gives an event of the same kind.
func exampleEvent() serve.Event {
	return serve.Event{
		At:        time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC),
		Kind:      serve.EventDecision,
		ReplicaID: 7,
		Message:   "launching replica 7",
		Decision: &serve.Decision{
			Action: serve.Launch, ReplicaID: 7, Revision: 2, Market: serve.OnDemand,
			Reason:   "1 of 2 spot replicas is ready: on-demand stands in for 1",
			Rejected: []serve.Rejection{{What: "aws/us-east-1", Why: "no capacity"}},
		},
		From: serve.Pending, To: serve.Provisioning,
	}
}
