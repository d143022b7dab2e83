// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

//go:build tools

// Package aws pins the module that AWS publishes the descriptions of its APIs in
// (models/apis/*/*/api-2.json), which internal/awstest holds every request and
// every answer to. No code of it is compiled.
package aws

import _ "github.com/aws/aws-sdk-go"
