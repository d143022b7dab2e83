// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/record"
)

const (
	// archivedBytes is how much is kept of the end of each log: all of them together are
	// to weigh little in the cluster's database.
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

// NewArchive gives the archive of a service, in Secrets, as a log may tell what is to be
// kept secret. Nothing is asked of the API server yet.
func NewArchive(o ArchiveOptions) (*record.Archive, error) {
	if err := CheckName(o.Service); err != nil {
		return nil, err
	}
	c, err := connect(o.Config)
	if err != nil {
		return nil, err
	}
	l := &logs{service: o.Service, secrets: c.typed.CoreV1().Secrets(c.namespace)}
	if o.Owner != (Owner{}) {
		l.owners = []metav1.OwnerReference{o.Owner.reference()}
	}
	return record.NewArchive(l, archivedBytes), nil
}

// logs are those of a service's replicas that are gone.
type logs struct {
	service string
	owners  []metav1.OwnerReference
	secrets typedcorev1.SecretInterface
}

// logName is the name of the Secret of a replica's log.
func logName(service string, replica int64) string {
	return fmt.Sprintf("%s.log.%09d", service, replica)
}

// Put implements [record.Logs].
func (l *logs) Put(ctx context.Context, replica int64, text []byte) error {
	packed, err := compress(string(text))
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: logName(l.service, replica),
			Labels: map[string]string{
				labelManager: manager, labelComponent: componentLog, labelService: l.service,
				labelReplica: strconv.FormatInt(replica, 10),
			},
			OwnerReferences: l.owners,
		},
		Data: map[string][]byte{keyLog: packed},
	}
	_, err = l.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		_, err = l.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	return meaning(err)
}

// Get implements [record.Logs].
func (l *logs) Get(ctx context.Context, replica int64) ([]byte, error) {
	secret, err := l.secrets.Get(ctx, logName(l.service, replica), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	var text string
	if err := expand(secret.Data[keyLog], &text); err != nil {
		return nil, fmt.Errorf("reading Secret %q: %w", secret.Name, err)
	}
	return []byte(text), nil
}

// List implements [record.Logs].
func (l *logs) List(ctx context.Context) ([]int64, error) {
	list, err := l.secrets.List(ctx, metav1.ListOptions{LabelSelector: ofService(l.service) + "," + labelComponent + "=" + componentLog})
	if err != nil {
		return nil, meaning(err)
	}
	var replicas []int64
	for _, secret := range list.Items {
		if id, err := strconv.ParseInt(secret.Labels[labelReplica], 10, 64); err == nil {
			replicas = append(replicas, id)
		}
	}
	return replicas, nil
}

// Remove implements [record.Logs].
func (l *logs) Remove(ctx context.Context, replica int64) error {
	err := l.secrets.Delete(ctx, logName(l.service, replica), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return meaning(err)
}
