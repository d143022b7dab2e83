// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Tags, by which everything of ours is found.
const (
	tagService = "serve-infra:service"
	// tagScope tells whose it is; see [CloudOptions].Scope.
	tagScope = "serve-infra:scope"
	// tagUID is the UID of the service, and tagReplica the id of the replica.
	tagUID     = "serve-infra:uid"
	tagReplica = "serve-infra:replica"
	// tagDetails holds the rest of a serve.Instance; see details.
	tagDetails = "serve-infra:details"
	// tagName is what the console shows.
	tagName = "Name"
)

// maxTag is how long the value of a tag may be.
const maxTag = 256

// details are what of a serve.Instance EC2 has no word for.
type details struct {
	Revision     int64   `json:"r"`
	Port         int     `json:"p"`
	Price        float64 `json:"$"`
	CPUs         float64 `json:"c,omitempty"`
	Memory       float64 `json:"m,omitempty"`
	Accelerators string  `json:"a,omitempty"`
	Entry        int     `json:"e,omitempty"`
	Rank         int     `json:"k,omitempty"`
}

// serviceTags are those of everything of a service.
func (s *site) serviceTags(service string) map[string]string {
	tags := maps.Clone(s.conf.DefaultTags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[tagService] = service
	tags[tagScope] = s.scope
	return tags
}

// replicaTags are those of the instance of a request and of what comes with it.
func (s *site) replicaTags(req serve.LaunchRequest) (map[string]string, error) {
	tags := s.serviceTags(req.Ref.Service)
	maps.Copy(tags, req.Resource.Labels)
	text, err := json.Marshal(details{
		Revision: req.Revision, Port: req.Port, Price: req.Offer.Price, CPUs: req.Offer.CPUs, Memory: req.Offer.Memory,
		Accelerators: req.Offer.Accelerators, Entry: req.Offer.Entry, Rank: req.Offer.Rank,
	})
	if err != nil {
		return nil, err
	}
	if len(text) > maxTag {
		return nil, fmt.Errorf("%w: what is to be kept of the offer is longer than a tag may be: %s", serve.ErrInvalid, text)
	}
	tags[tagDetails] = string(text)
	tags[tagService], tags[tagScope] = req.Ref.Service, s.scope
	tags[tagUID], tags[tagReplica] = req.Ref.UID, strconv.FormatInt(req.Ref.Replica, 10)
	tags[tagName] = cmp.Or(tags[tagName], req.Ref.Service+"-"+tags[tagReplica])
	return tags, nil
}

// written gives tags as EC2 takes them, in a fixed order.
func written(tags map[string]string) []types.Tag {
	list := make([]types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

// filters asks for what has all of the tags.
func filters(tags map[string]string) []types.Filter {
	list := make([]types.Filter, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Filter{Name: aws.String("tag:" + key), Values: []string{tags[key]}})
	}
	return list
}

// refTags are those by which the instance of a replica is found.
func (s *site) refTags(ref serve.Ref) map[string]string {
	return map[string]string{
		tagService: ref.Service, tagScope: s.scope, tagUID: ref.UID, tagReplica: strconv.FormatInt(ref.Replica, 10),
	}
}

// instanceOf gives an instance of ours as the rest of the program knows it.
func (s *site) instanceOf(i types.Instance) (serve.Instance, error) {
	tags := map[string]string{}
	for _, t := range i.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	replica, err := strconv.ParseInt(tags[tagReplica], 10, 64)
	var d details
	err = errors.Join(err, json.Unmarshal([]byte(tags[tagDetails]), &d))
	if err != nil {
		return serve.Instance{}, fmt.Errorf("reading the tags of instance %s: %w", aws.ToString(i.InstanceId), err)
	}
	offer := serve.Offer{
		Location: serve.Location{Cloud: cloudName, Region: s.region},
		Market:   serve.OnDemand, InstanceType: string(i.InstanceType), Price: d.Price, CPUs: d.CPUs, Memory: d.Memory,
		Accelerators: d.Accelerators, Entry: d.Entry, Rank: d.Rank,
	}
	if i.Placement != nil {
		offer.Location.Zone = aws.ToString(i.Placement.AvailabilityZone)
	}
	if i.InstanceLifecycle == types.InstanceLifecycleTypeSpot {
		offer.Market = serve.Spot
	}
	out := serve.Instance{
		Ref:      serve.Ref{Service: tags[tagService], UID: tags[tagUID], Replica: replica},
		Revision: d.Revision, ID: aws.ToString(i.InstanceId), Offer: offer,
		LaunchedAt: aws.ToTime(i.LaunchTime).UTC().Truncate(time.Millisecond),
		Running:    stateOf(i) == types.InstanceStateNameRunning,
	}
	if host := s.hostOf(i); host != "" {
		out.Address = net.JoinHostPort(host, strconv.Itoa(d.Port))
	}
	return out, nil
}

// hostOf is where an instance is reached; empty while it is nowhere.
func (s *site) hostOf(i types.Instance) string {
	if public := aws.ToString(i.PublicIpAddress); public != "" && !s.conf.Private {
		return public
	}
	return aws.ToString(i.PrivateIpAddress)
}

func stateOf(i types.Instance) types.InstanceStateName {
	if i.State == nil {
		return ""
	}
	return i.State.Name
}
