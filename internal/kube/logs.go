// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Logs opens what the container has printed and its node still keeps.
func (c *Cloud) Logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	r, err := c.logs(ctx, ref, opt)
	if err != nil {
		return nil, fmt.Errorf("opening the log of replica %d: %w", ref.Replica, err)
	}
	return r, nil
}

func (c *Cloud) logs(ctx context.Context, ref serve.Ref, opt serve.LogOptions) (io.ReadCloser, error) {
	if !possible(ref) {
		return nil, serve.ErrNotFound
	}
	s, err := c.cluster.connect(ctx)
	if err != nil {
		return nil, err
	}
	pods := s.typed.CoreV1().Pods(s.namespace)
	p, err := pods.Get(ctx, podName(ref), metav1.GetOptions{})
	if err != nil {
		return nil, meaning(err)
	}
	if i, err := instanceOf(p.ObjectMeta); err != nil || i.Ref != ref {
		return nil, serve.ErrNotFound
	}
	if !started(p) {
		up := false
		if opt.Follow {
			if up, err = c.awaitStart(ctx, p); err != nil {
				return nil, err
			}
		}
		if !up {
			return io.NopCloser(eof{}), nil
		}
	}
	o := &corev1.PodLogOptions{Container: containerName, Follow: opt.Follow}
	if opt.Tail > 0 {
		o.TailLines = new(int64(opt.Tail))
	}
	stream, err := pods.GetLogs(p.Name, o).Stream(ctx)
	if apierrors.IsNotFound(err) {
		// It is the pod that is not found, and not a file of its node.
		if _, gone := pods.Get(ctx, p.Name, metav1.GetOptions{}); gone == nil {
			return io.NopCloser(eof{}), nil
		}
	}
	if err != nil {
		return nil, meaning(err)
	}
	return logReader{ctx, stream}, nil
}

// awaitStart waits for the container to start; false when it never does.
func (c *Cloud) awaitStart(ctx context.Context, p *corev1.Pod) (bool, error) {
	_, w, leave, err := c.join(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	changes, err := w.listen(named(p.Name))
	if err != nil {
		return false, err
	}
	defer changes.end()
	for {
		news, err := w.next(ctx, changes, nil)
		if err != nil {
			return false, err
		}
		for _, n := range news {
			switch {
			case n.all && w.pod(p.Namespace, p.Name) == nil, n.pod != nil && n.pod.UID != p.UID, n.pod != nil && n.gone:
				return false, nil
			case n.pod != nil && started(n.pod):
				return true, nil
			}
		}
	}
}

// logReader ends where the log or its context does.
type logReader struct {
	ctx context.Context
	io.ReadCloser
}

func (r logReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && r.ctx.Err() != nil {
		err = io.EOF
	}
	return n, err
}

// eof is a log without a line.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
