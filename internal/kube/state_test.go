// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
)

func TestWhatOlderProgramsHaveStoredIsRead(t *testing.T) {
	t.Parallel()
	packed := func(text string) []byte {
		data, err := compress(json.RawMessage(text))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	page := metav1.ObjectMeta{Namespace: "serve", Name: "web.events.000000000001", Annotations: map[string]string{annotationState: "5f3c"}}
	secrets := fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "serve", Name: "web.state", UID: "5f3c"}, Data: map[string][]byte{
			"head.json":      []byte(`{"format":1,"version":7,"save":"LAST","first":3,"last":3,"pages":[{"first":1,"last":2}]}`),
			"state.json.gz":  packed(`{"version":7,"name":"web"}`),
			"events.json.gz": packed(`[{"seq":3,"message":"three"}]`),
		}},
		&corev1.Secret{ObjectMeta: page, Data: map[string][]byte{
			"events.json.gz": packed(`[{"seq":1,"message":"one"},{"seq":2,"message":"two"}]`),
		}},
	).CoreV1().Secrets("serve")
	s := record.NewStore(&records{service: "web", secrets: secrets}, "")
	state, err := s.Load(t.Context())
	if err != nil || state.Version != 7 || state.Name != "web" {
		t.Errorf("the state is %+v: %v", state, err)
	}
	events, err := s.Events(t.Context(), 0, 10)
	if err != nil || len(events) != 3 || events[0].Message != "one" || events[2].Message != "three" {
		t.Errorf("the events are %+v: %v", events, err)
	}
}
