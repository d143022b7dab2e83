// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

// cloudName is the cloud's name in locations, and the infra's.
const cloudName = "kubernetes"

// The API group of our custom resource, and what our labels and annotations
// begin with.
const (
	group    = "serve-infra.io"
	version  = "v1"
	kind     = "ServeService"
	resource = "serveservices"
)

// Labels, by which everything of ours is found.
const (
	// labelManager marks all we make, with the value manager.
	labelManager = "app.kubernetes.io/managed-by"
	manager      = "terraform-provider-serve"
	// labelComponent tells what it is, or whose.
	labelComponent      = "app.kubernetes.io/component"
	componentController = "controller"
	componentReplica    = "replica"
	componentLog        = "log"
	// labelService names the service it is for.
	labelService = group + "/service"
	// labelReplica is the id of the replica it is for, and labelUID the UID of the
	// service that the replica is of.
	labelReplica = group + "/replica"
	labelUID     = group + "/uid"
	// labelScope tells whose it is; see [CloudOptions].Scope.
	labelScope = group + "/scope"
	// labelBundle is the hexadecimal digest of the bundle it holds a piece of.
	labelBundle = group + "/bundle"
)

// The marks, on a service's object, of what is told of other clouds.
const (
	annotationShown   = group + "/shown"
	annotationReached = group + "/reached"
)

// annotationInstance holds a replica's serve.Instance as its launch has made it,
// in JSON.
const annotationInstance = group + "/instance"

// fieldManager is who we are in server-side apply.
const fieldManager = "terraform-provider-serve"
