// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// archivedLogs is how many logs of a service are kept, and archivedBytes how
	// much of the end of each: it tells why a replica failed, and all of them
	// together are to weigh little in the cluster's database.
	archivedLogs  = 20
	archivedBytes = 128 << 10
	// keyLog is the key of a log, which is compressed, in its Secret.
	keyLog = "log.gz"
)

// ArchiveOptions say whose logs an archive keeps, and where.
type ArchiveOptions struct {
	Config  Config
	Service string
	// Owner takes the logs with it when it is removed; the zero Owner keeps them.
	Owner Owner
}

// Archive keeps the ends of the logs of replicas that are gone, in Secrets, as a
// log may tell what is to be kept secret. Its methods may be called at the same
// time.
type Archive struct {
	service string
	owners  []metav1.OwnerReference
	secrets typedcorev1.SecretInterface

	mu sync.Mutex
	// kept are the replicas whose logs there are, in order; nil before it was
	// looked.
	kept []int64
}

// NewArchive gives the archive of a service. Nothing is asked of the API server
// yet.
func NewArchive(o ArchiveOptions) (*Archive, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	a := &Archive{service: o.Service, secrets: c.typed.CoreV1().Secrets(c.namespace)}
	if o.Owner != (Owner{}) {
		a.owners = []metav1.OwnerReference{o.Owner.reference()}
	}
	return a, nil
}

// logName is the name of the Secret of a replica's log.
func logName(service string, replica int64) string {
	return fmt.Sprintf("%s.log.%09d", service, replica)
}

// Keep stores the end of a replica's log and forgets the oldest ones.
func (a *Archive) Keep(ctx context.Context, replica int64, log io.Reader) error {
	text, err := serve.LastBytes(log, archivedBytes)
	if err == nil {
		err = a.put(ctx, replica, text)
	}
	if err == nil {
		err = a.forget(ctx, replica)
	}
	if err != nil {
		return fmt.Errorf("keeping the log of replica %d: %w", replica, err)
	}
	return nil
}

// put stores a log, in place of one that is there.
func (a *Archive) put(ctx context.Context, replica int64, text []byte) error {
	packed, err := compress(string(text))
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: logName(a.service, replica),
			Labels: map[string]string{
				labelManager: manager, labelComponent: componentLog, labelService: a.service,
				labelReplica: strconv.FormatInt(replica, 10),
			},
			OwnerReferences: a.owners,
		},
		Data: map[string][]byte{keyLog: packed},
	}
	_, err = a.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		_, err = a.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	return meaning(err)
}

// forget removes the oldest logs. What there is, is asked for once: nobody else
// keeps logs of the service meanwhile.
func (a *Archive) forget(ctx context.Context, kept int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		list, err := a.secrets.List(ctx, metav1.ListOptions{LabelSelector: ofService(a.service) + "," + labelComponent + "=" + componentLog})
		if err != nil {
			return meaning(err)
		}
		for _, secret := range list.Items {
			if id, err := strconv.ParseInt(secret.Labels[labelReplica], 10, 64); err == nil {
				a.kept = append(a.kept, id)
			}
		}
	}
	a.kept = append(a.kept, kept)
	slices.Sort(a.kept)
	a.kept = slices.Compact(a.kept)
	for len(a.kept) > archivedLogs {
		err := a.secrets.Delete(ctx, logName(a.service, a.kept[0]), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return meaning(err)
		}
		a.kept = a.kept[1:]
	}
	return nil
}

// Open gives a kept log; serve.ErrNotFound if there is none.
func (a *Archive) Open(ctx context.Context, replica int64, opt serve.LogOptions) (io.ReadCloser, error) {
	text, err := a.open(ctx, replica, opt)
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", replica, err)
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (a *Archive) open(ctx context.Context, replica int64, opt serve.LogOptions) (string, error) {
	secret, err := a.secrets.Get(ctx, logName(a.service, replica), metav1.GetOptions{})
	if err != nil {
		return "", meaning(err)
	}
	var text string
	if err := expand(secret.Data[keyLog], &text); err != nil {
		return "", fmt.Errorf("reading Secret %q: %w", secret.Name, err)
	}
	return opt.Last(strings.NewReader(text))
}
