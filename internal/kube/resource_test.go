// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"encoding/json"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Only what is asked for makes a generation one that is to be taken in.
func TestWhichGenerationIsInForce(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(*ServeService)
		want   int64
	}{
		"nothing has changed":         {func(s *ServeService) { s.Generation = 1 }, 1},
		"the endpoint has":            {func(s *ServeService) { s.Spec.Endpoint.Type = "NodePort" }, 2},
		"the service has":             {func(s *ServeService) { s.Spec.Service = json.RawMessage(`{"run":"y"}`) }, 1},
		"the Secret has":              {func(s *ServeService) { s.Spec.SecretName = "other" }, 1},
		"it is to be judged again":    {func(s *ServeService) { s.Spec.Attempt++ }, 1},
		"it was refused":              {func(s *ServeService) { s.Status.Refused = "no" }, 0},
		"there is no service":         {func(s *ServeService) { s.Status.Service = nil }, 0},
		"an older controller said so": {func(s *ServeService) { s.Status.ObservedSpec = "" }, 1},
	} {
		s := &ServeService{Spec: ServeServiceSpec{Service: json.RawMessage(`{"run":"x"}`), SecretName: "web"}}
		s.Generation = 2
		s.Status = ServeServiceStatus{ObservedGeneration: 1, ObservedSpec: s.digest(), Service: &serve.Service{}}
		row.change(s)
		if got := s.taken(); got != row.want {
			t.Errorf("when %s, generation %d is in force, want %d", name, got, row.want)
		}
	}
}
