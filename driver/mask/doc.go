// Package mask finds secrets in recorded traffic and in other texts, and puts
// placeholders in their places.
//
// It works in two passes. The first one, [Masker.Learn] and [Masker.LearnText], finds
// secrets by their places and shapes: the credentials of an Authorization header, the
// value of a cookie, a field that is named like a token, a JSON web token anywhere. The
// second one, [Masker.Flow] and [Masker.Bytes], replaces each of these, and the same
// values wherever else they stand: as they are, percent-encoded, escaped for JSON or
// XML, inside of base64, or cut off at the end of a text that was shortened. They are not
// found in other encodings, such as hexadecimal digits or base64 in lines.
//
// A secret has the same placeholder everywhere, so one can still see that two values are
// equal. Content encodings are undone and applied again.
//
// A value of fewer than 6 bytes is replaced where it was found, and nowhere else. So is a
// word of fewer than 8 letters, because it may be a word of the language.
package mask
