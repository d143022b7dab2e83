// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package main

func main() {}
