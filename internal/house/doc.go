// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Package house keeps the rules of the house this code lives in. It holds tests
// only, which read the source and ask the go command, and fail when
//
//   - a package imports one of ours that its place in the table does not allow,
//     or has no place in the table at all,
//   - a library is imported outside of the one package that owns it, or is
//     missing from the table in README.md that says what each is for,
//   - something meant for tests, or an old Terraform SDK, ends up in the binary,
//   - a file lacks its licence header, or has grown too long to be read in one
//     sitting.
//
// Whoever adds a package or a library adds a row there, and so says aloud where
// it belongs.
package house
