// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Labels, by which everything of ours is found. What a label cannot have as it is has
// a hash there; the whole truth is in [itemDetails].
const (
	labelService = "serve-infra-service"
	// labelScope tells whose it is; see [CloudOptions].Scope.
	labelScope = "serve-infra-scope"
	// labelUID is the UID of the service, and labelReplica the id of the replica.
	labelUID     = "serve-infra-uid"
	labelReplica = "serve-infra-replica"
)

// Items of an instance's metadata.
const (
	// itemDetails holds a replica as this program knows it; see details.
	itemDetails = "serve-infra-details"
	// itemScript is run when the machine starts.
	itemScript = "startup-script"
	// itemDriver has Google's images for deep learning install the driver at their first
	// start, if they have not got it.
	itemDriver = "install-nvidia-driver"
)

// details are a serve.Instance, but for what Compute Engine knows itself.
type details struct {
	Ref      serve.Ref   `json:"ref"`
	Revision int64       `json:"revision"`
	Port     int         `json:"port"`
	Offer    serve.Offer `json:"offer"`
}

// serviceLabels are those of everything of a service.
func serviceLabels(scope, service string) map[string]string {
	// What has no value cannot be asked for.
	return map[string]string{labelService: labelled(service), labelScope: labelled(cmp.Or(scope, "none"))}
}

// refLabels are those by which the instance of a replica is found.
func (j *joined) refLabels(ref serve.Ref) map[string]string {
	labels := serviceLabels(j.scope, ref.Service)
	labels[labelUID], labels[labelReplica] = labelled(ref.UID), strconv.FormatInt(ref.Replica, 10)
	return labels
}

// replicaLabels are those of the instance of a request and of its disk.
func (j *joined) replicaLabels(req serve.LaunchRequest) map[string]string {
	labels := map[string]string{}
	for _, some := range []map[string]string{j.conf.DefaultLabels, req.Resource.Labels} {
		for key, value := range some {
			labels[labelled(key)] = labelled(value)
		}
	}
	maps.Copy(labels, j.refLabels(req.Ref))
	return labels
}

// filter asks for what has all of the labels.
func filter(labels map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, fmt.Sprintf("(labels.%s = %q)", key, labels[key]))
	}
	return strings.Join(all, " AND ")
}

// detailsOf are what is kept of a request with its instance.
func detailsOf(req serve.LaunchRequest) (string, error) {
	text, err := json.Marshal(details{Ref: req.Ref, Revision: req.Revision, Port: req.Port, Offer: req.Offer})
	return string(text), err
}

// item gives an item of an instance's metadata; empty if there is none.
func item(i *computepb.Instance, key string) string {
	for _, it := range i.GetMetadata().GetItems() {
		if it.GetKey() == key {
			return it.GetValue()
		}
	}
	return ""
}

// up gives an instance of ours as the rest of the program knows it.
func (j *joined) up(i *computepb.Instance) (fleet.Up, error) {
	var d details
	if err := json.Unmarshal([]byte(item(i, itemDetails)), &d); err != nil {
		return fleet.Up{}, fmt.Errorf("reading the metadata of instance %s: %w", i.GetName(), err)
	}
	made, err := time.Parse(time.RFC3339, i.GetCreationTimestamp())
	if err != nil {
		return fleet.Up{}, fmt.Errorf("reading when instance %s was made: %w", i.GetName(), err)
	}
	up := fleet.Up{
		Instance: serve.Instance{
			Ref: d.Ref, Revision: d.Revision, ID: i.GetName(), Offer: d.Offer,
			LaunchedAt: made.UTC().Truncate(time.Millisecond), Running: i.GetStatus() == running,
		},
		Architecture: architectureOf(i),
	}
	up.Offer.Location.Zone = path.Base(i.GetZone())
	if host := j.hostOf(i); host != "" {
		up.Address = net.JoinHostPort(host, strconv.Itoa(d.Port))
	}
	return up, nil
}

// hostOf is where an instance is reached; empty while it is nowhere.
func (j *joined) hostOf(i *computepb.Instance) string {
	for _, n := range i.GetNetworkInterfaces() {
		for _, access := range n.GetAccessConfigs() {
			if public := access.GetNatIP(); public != "" && !j.conf.Private {
				return public
			}
		}
	}
	for _, n := range i.GetNetworkInterfaces() {
		if j.conf.Private || len(n.GetAccessConfigs()) == 0 {
			return n.GetNetworkIP()
		}
	}
	return ""
}

// architectureOf is that of an instance, in Go's words: its disk says for which it is.
func architectureOf(i *computepb.Instance) string {
	for _, d := range i.GetDisks() {
		if d.GetArchitecture() == "ARM64" {
			return "arm64"
		}
	}
	return "amd64"
}
