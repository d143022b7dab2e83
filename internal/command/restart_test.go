// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Only the programs are another revision: the machines stay, the controller may be
// killed in the middle, and no request is lost.
func TestAnUpdateRestartsProgramsInPlace(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes for some seconds")
	}
	s := newSite(t)
	spec := s.spec("web", 3)
	spec.RollingUpdate = &serve.RollingUpdate{MaxUnavailable: 1}
	spec.Envs["GREETING"] = "good"
	client := s.deploy(spec)
	await(t, client, "a good revision", func(s serve.Service) bool { return s.Good == 1 && spotOnly(3)(s) })
	machines := func() (ids []string) {
		for _, i := range listed(t, s) {
			ids = append(ids, i.ID)
		}
		slices.Sort(ids)
		return ids
	}
	before := machines()
	running, err := client.Service(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	traffic := alwaysGood(t, running.Endpoint)
	spec.Envs = maps.Clone(spec.Envs)
	spec.Envs["GREETING"] = "better, so good"
	mustDo(t, func() error { _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); return err })
	await(t, client, "all of the second revision", func(s serve.Service) bool {
		if s.Counts.Ready < 2 {
			t.Errorf("%d of 3 are ready in the middle of the update", s.Counts.Ready)
		}
		return s.Good == 2 && spotOnly(3)(s) && !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.Revision != 2 })
	})
	if n := traffic(); n == 0 {
		t.Error("nothing was asked")
	}
	if after := machines(); !slices.Equal(before, after) {
		t.Errorf("the machines were %v and are %v", before, after)
	}

	spec.Envs = maps.Clone(spec.Envs)
	spec.Envs["GREETING"] = "best"
	mustDo(t, func() error { _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); return err })
	s.killController("web")
	if client, err = s.deployer.Deploy(t.Context(), "web", serve.DeployOptions{}); err != nil {
		t.Fatal(err)
	}
	service := await(t, client, "all of the third revision", func(s serve.Service) bool {
		return s.Good == 3 && spotOnly(3)(s) && !slices.ContainsFunc(s.Replicas, func(r serve.Replica) bool { return r.Revision != 3 })
	})
	if after := machines(); !slices.Equal(before, after) {
		t.Errorf("the machines were %v and are %v", before, after)
	}
	for _, r := range service.Replicas {
		resp, err := http.Get("http://" + r.Address)
		if err != nil {
			t.Fatal(err)
		}
		var body strings.Builder
		if err := resp.Write(&body); err != nil || !strings.Contains(body.String(), "best") {
			t.Errorf("replica %d answers %s, %v", r.ID, &body, err)
		}
		resp.Body.Close()
	}
}
