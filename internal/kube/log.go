// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"log/slog"

	"k8s.io/klog/v2"
)

// SetLog has the libraries of Kubernetes say what they have to say to log. It is
// for the whole process, and to be called once, before anything else is.
func SetLog(log *slog.Logger) { klog.SetSlogLogger(log) }
