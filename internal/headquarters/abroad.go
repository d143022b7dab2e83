// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// notesKey is before the names of other clouds; there is what the controller notes of
	// each before it makes the first machine there.
	notesKey = "clouds/"
	// shownKey holds serve.CloudCredentials, which the deployer writes.
	shownKey = "cloud-credentials.json"
)

// Abroad is what a controller knows of the clouds beside its own, by their names. Who
// looks after its machines when it is no more knows the same.
type Abroad struct {
	// Notes are how each is reached, and where there may be machines.
	Notes map[string]string
	// Note keeps one, before a machine is made where there was none; nil where none are
	// made.
	Note func(cloud, where string) error
	// Shown gives what each is shown.
	Shown serve.CredentialsOf
	// Scope tells the controller's machines from those of others who use the same
	// account; nil where there are none to be told apart.
	Scope func() (string, error)
}

// abroad gives what is known by a bucket. How clouds are reached is as it was told
// last, whatever was noted.
func abroad(ctx context.Context, b bucket.Bucket, s settings) (Abroad, error) {
	a := Abroad{Notes: map[string]string{}, Scope: func() (string, error) { return s.scope(), nil }}
	a.Shown = func(ctx context.Context, cloud string) (string, error) { return shown(ctx, b, cloud) }
	keys, err := b.List(ctx, notesKey)
	if err != nil {
		return Abroad{}, fmt.Errorf("reading which other clouds are used: %w", err)
	}
	for _, key := range keys {
		note, _, err := b.Get(ctx, key)
		if err != nil {
			return Abroad{}, fmt.Errorf("reading where there are machines in another cloud: %w", err)
		}
		a.Notes[strings.TrimPrefix(key, notesKey)] = string(note)
	}
	return a, a.Brief(s.Briefs)
}

// Brief has clouds be reached as in their briefs, whatever was noted.
func (a Abroad) Brief(briefs map[string]string) (err error) {
	for cloud, brief := range briefs {
		if a.Notes[cloud], err = rebrief(a.Notes[cloud], brief); err != nil {
			return err
		}
	}
	return nil
}

// rebrief gives a note with how the cloud is reached as in a brief.
func rebrief(note, brief string) (string, error) {
	now, err := fleet.ParsePlace[json.RawMessage](note)
	if err != nil {
		return "", err
	}
	told, err := fleet.ParsePlace[json.RawMessage](brief)
	now.Config = told.Config
	return now.String(), err
}

// shown reads what a cloud is shown; nothing where nothing was given.
func shown(ctx context.Context, b bucket.Bucket, cloud string) (string, error) {
	var all serve.CloudCredentials
	if err := bucket.Read(ctx, b, shownKey, &all); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return "", fmt.Errorf("reading the credentials for cloud %q: %w", cloud, err)
	}
	return all[cloud], nil
}

// scope is what machines in other clouds are known by. It follows from a secret that
// the controller has from its first day to its last.
func (s settings) scope() string {
	sum := sha256.Sum256([]byte("scope\x00" + s.credentials.Token))
	return hex.EncodeToString(sum[:10])
}

// Abroad gives what the controller on this machine knows of other clouds.
func (h *Host) Abroad(ctx context.Context) (Abroad, error) {
	a, err := abroad(ctx, h.Bucket, h.settings)
	if err != nil {
		return Abroad{}, err
	}
	a.Note = func(cloud, where string) error { return h.put(ctx, notesKey+cloud, where) }
	return a, nil
}

// put keeps a note, for as long as that takes: the machine is not made before.
func (h *Host) put(ctx context.Context, key, where string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bucket.Patience)
	defer cancel()
	_, err := h.Bucket.Put(ctx, key, []byte(where), bucket.Condition{})
	return err
}

// show keeps what clouds are to be shown, if anything is said of it, and gives what
// tells that from what was there before. A controller that runs looks again when the
// settings have it.
func show(ctx context.Context, b bucket.Bucket, given serve.CloudCredentials) (tag string, err error) {
	if given == nil {
		return "", nil
	}
	text, err := json.Marshal(given)
	if err != nil {
		return "", fmt.Errorf("writing what clouds are shown: %w", err)
	}
	tag, err = b.Put(ctx, shownKey, text, bucket.Condition{})
	return tag, err
}

// Clouds gives the names of all clouds that a controller has machines from, its own
// first.
func (m Means) Clouds(own string) []string {
	names := []string{own}
	for _, cloud := range m.abroad(Abroad{}) {
		if cloud.Name() != own {
			names = append(names, cloud.Name())
		}
	}
	return names
}

// Scouts gives the same clouds but for its own, to be asked by whoever deploys a
// controller, as whom they know him.
func (m Means) Scouts(own string) []serve.Cloud {
	var others []serve.Cloud
	for _, cloud := range m.abroad(Abroad{Notes: maps.Clone(m.Briefs)}) {
		if cloud.Name() != own {
			others = append(others, cloud)
		}
	}
	return others
}

func (m Means) abroad(a Abroad) []serve.Cloud {
	if m.Abroad == nil {
		return nil
	}
	return m.Abroad(a)
}

// sweepAbroad ends the machines of a service in the other clouds that the use of was
// noted.
func (d *Deployer) sweepAbroad(ctx context.Context, b bucket.Bucket, service, own string) ([]serve.Instance, error) {
	s, err := read(ctx, b)
	if errors.Is(err, serve.ErrNotFound) {
		return nil, nil // there never was a controller, or nobody knows where it went
	}
	if err != nil {
		return nil, err
	}
	a, err := abroad(ctx, b, s)
	if err != nil {
		return nil, err
	}
	var swept []serve.Instance
	var errs []error
	for _, cloud := range d.means.abroad(a) {
		if _, used := a.Notes[cloud.Name()]; !used || cloud.Name() == own {
			continue
		}
		of, err := serve.Sweep(ctx, cloud, service)
		swept = append(swept, of...)
		if err != nil {
			errs = append(errs, fmt.Errorf("ending the machines of the service in the cloud %q: %w", cloud.Name(), err))
		}
	}
	return swept, errors.Join(errs...)
}
