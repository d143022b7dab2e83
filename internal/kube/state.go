// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// The keys of the Secret of a state, and keyEvents also of a page of events.
const (
	keyHead   = "head.json"
	keyState  = "state.json.gz"
	keyEvents = "events.json.gz"
)

// unpack reads the Secret of a state.
func unpack(secret *corev1.Secret) (*record.Record, error) {
	r := &record.Record{ID: string(secret.UID), Tag: secret.ResourceVersion}
	err := json.Unmarshal(secret.Data[keyHead], &r.Head)
	if err == nil {
		err = r.Known()
	}
	if err == nil {
		err = expand(secret.Data[keyState], &r.State)
	}
	if err == nil {
		err = expand(secret.Data[keyEvents], &r.Events)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", secret.Name, err)
	}
	return r, nil
}

// pack writes the data of a record's Secret.
func pack(r *record.Record) (map[string][]byte, error) {
	head, err := json.Marshal(r.Head)
	if err != nil {
		return nil, err
	}
	state, err := compress(r.State)
	if err != nil {
		return nil, err
	}
	events, err := compress(r.Events)
	if err != nil {
		return nil, err
	}
	if size := len(head) + len(state) + len(events); size > corev1.MaxSecretSize {
		return nil, fmt.Errorf("%w: the state has %d bytes although it is compressed, and a Secret of Kubernetes holds at most %d: "+
			"let the service have fewer replicas, or a shorter spec", serve.ErrInvalid, size, corev1.MaxSecretSize)
	}
	return map[string][]byte{keyHead: head, keyState: state, keyEvents: events}, nil
}

// compress writes v as compressed JSON.
func compress(v any) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// expand reads what compress has written.
func expand(data []byte, v any) error {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
