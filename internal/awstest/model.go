// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
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

	// matches compiles the pattern when it is first needed. Patterns are in the
	// dialect of Java: those that Go does not know are not held against anyone.
	matches func() *regexp.Regexp
}

// library has the models that this process has read. EC2's has five thousand
// shapes, so it is read once for all tests.
type library struct {
	mu     sync.Mutex
	dir    string
	models map[string]*model
}

//nolint:gochecknoglobals // what AWS publishes is the same for every test of a process
var models = library{models: map[string]*model{}}

// read gives the model that path names, as in "ec2/2016-11-15".
func (l *library) read(path string) (*model, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.models[path]; m != nil {
		return m, nil
	}
	if l.dir == "" {
		dir, err := locate()
		if err != nil {
			return nil, err
		}
		l.dir = dir
	}
	content, err := os.ReadFile(filepath.Join(l.dir, "models", "apis", filepath.FromSlash(path), "api-2.json"))
	if err != nil {
		return nil, fmt.Errorf("reading what AWS says of its API: %w", err)
	}
	m := new(model)
	if err := json.Unmarshal(content, m); err != nil {
		return nil, fmt.Errorf("reading what AWS says of its API %q: %w", path, err)
	}
	m.amend()
	l.models[path] = m
	return m, nil
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
		s.matches = sync.OnceValue(func() *regexp.Regexp {
			r, err := regexp.Compile(s.Pattern)
			if err != nil {
				return nil
			}
			return r
		})
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

// locate has the go command fetch the module that AWS' descriptions are in, and
// says where it is. The module is pinned in a go.mod of its own, as no program of
// ours is made of it.
func locate() (string, error) {
	pin, err := pinned()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/aws/aws-sdk-go")
	cmd.Dir = pin
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	var told struct{ Dir, Error string }
	if json.Unmarshal(out, &told) == nil && told.Error != "" {
		return "", fmt.Errorf("fetching what AWS says of its APIs: %s", told.Error)
	} else if err != nil {
		return "", fmt.Errorf("fetching what AWS says of its APIs: %w", err)
	}
	return told.Dir, nil
}

// pinned is the directory of that go.mod. Tests run where their package is, so
// it is looked for from there upwards.
func pinned() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding this repository: %w", err)
	}
	for {
		pin := filepath.Join(dir, "internal", "tools", "aws")
		if _, err := os.Stat(filepath.Join(pin, "go.mod")); err == nil {
			return pin, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("finding internal/tools/aws/go.mod: this test runs outside of the repository")
		}
		dir = up
	}
}

// names gives the members of a structure in a fixed order.
func (s *shape) names() []string {
	names := make([]string, 0, len(s.Members))
	for name := range s.Members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
