// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"regexp"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// model is an API as AWS itself describes it, in the words of its file
// api-2.json. Nobody changes one once it is read, so all tests share it.
type model struct {
	Metadata struct {
		APIVersion   string `json:"apiVersion"`
		TargetPrefix string `json:"targetPrefix"`
		XMLNamespace string `json:"xmlNamespace"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

// operation is what can be asked of an API, and what it answers. Either may have
// no content.
type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *reference `json:"input"`
	Output *reference `json:"output"`
}

// reference is a place that has a shape, and what it is called on the wire where
// that is not its own name.
type reference struct {
	Shape         string `json:"shape"`
	Location      string `json:"location"` // where that is not the body: uri, header, headers or querystring
	LocationName  string `json:"locationName"`
	QueryName     string `json:"queryName"`
	ResultWrapper string `json:"resultWrapper"`
}

// shape is a type of values, with what AWS asks of them.
type shape struct {
	Type      string               `json:"type"`
	Members   map[string]reference `json:"members"`
	Member    *reference           `json:"member"`
	Key       *reference           `json:"key"`
	Value     *reference           `json:"value"`
	Required  []string             `json:"required"`
	Enum      []string             `json:"enum"`
	Min       *float64             `json:"min"`
	Max       *float64             `json:"max"`
	Pattern   string               `json:"pattern"`
	Flattened bool                 `json:"flattened"`
	Payload   string               `json:"payload"` // the member that is all of the body

	// matches is the pattern, which is in the dialect of Java.
	matches func() *regexp.Regexp
}

//nolint:gochecknoglobals // what AWS publishes is the same for every test of a process
var models = cloudtest.Library[model]{
	// The module is pinned in a go.mod of its own, as no program of ours is made of it.
	Vendor: "AWS", Module: "github.com/aws/aws-sdk-go", Pinned: "internal/tools/aws",
	File:    func(api string) string { return "models/apis/" + api + "/api-2.json" },
	Prepare: (*model).amend,
}

// amend corrects what the descriptions, which end in the middle of 2025, cannot
// know, and readies patterns.
func (m *model) amend() {
	if put := m.Shapes["PutObjectRequest"]; put != nil {
		m.amendS3(put)
	}
	for name, s := range m.Shapes {
		if name == "InstanceType" {
			s.Enum = nil // new ones come every month
		}
		s.matches = cloudtest.Expression(s.Pattern)
	}
}

// amendS3 adds what S3 has learnt since: to write on a condition, another sum, and to
// list some of the buckets.
func (m *model) amendS3(put *shape) {
	for name, header := range map[string]string{
		"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match", "ChecksumCRC64NVME": "x-amz-checksum-crc64nvme",
	} {
		put.Members[name] = reference{Shape: "ETag", Location: "header", LocationName: header}
	}
	m.Shapes["ChecksumAlgorithm"].Enum = append(m.Shapes["ChecksumAlgorithm"].Enum, "CRC64NVME")
	m.Shapes["ListBucketsRequest"] = &shape{Type: "structure", Members: map[string]reference{
		"MaxBuckets":        {Shape: "MaxKeys", Location: "querystring", LocationName: "max-buckets"},
		"ContinuationToken": {Shape: "Token", Location: "querystring", LocationName: "continuation-token"},
		"Prefix":            {Shape: "Prefix", Location: "querystring", LocationName: "prefix"},
		"BucketRegion":      {Shape: "Region", Location: "querystring", LocationName: "bucket-region"},
	}}
	list := m.Operations["ListBuckets"]
	list.Input = &reference{Shape: "ListBucketsRequest"}
	m.Operations["ListBuckets"] = list
	out := m.Shapes["ListBucketsOutput"].Members
	out["ContinuationToken"], out["Prefix"] = reference{Shape: "NextToken"}, reference{Shape: "Prefix"}
	m.Shapes["Bucket"].Members["BucketRegion"] = reference{Shape: "Region"}
}
