// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package kube is Kubernetes: a cloud whose machines are pods, a store and a
// directory of services in custom resources, and a deployer that runs the
// controller in the cluster.
package kube
