package builtins

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
	//lint:ignore SA1019 bcrypt needs it
	"golang.org/x/crypto/blowfish"
)

// sprigSecrets returns the functions of sprig that need random bytes. They get them from
// the driver's source, so that a seed makes the results repeatable.
func sprigSecrets() map[string]sprigFunc {
	return map[string]sprigFunc{
		"encryptAES": {"a, b", sprigEncryptAES},
		"bcrypt":     {"a", sprigBcrypt},
		"htpasswd":   {"a, b", sprigHtpasswd},
	}
}

// sprigEncryptAES encrypts a text for decryptAES: AES-256 in CBC mode, with the password
// as the key. The result is Base64 of the initialization vector and the encrypted text.
func sprigEncryptAES(c *call.Call, a call.Args) (starlark.Value, error) {
	var password, text string
	if err := a.Unpack("a", &password, "b", &text); err != nil {
		return nil, err
	}
	if text == "" {
		return starlark.String(""), nil
	}
	var key [32]byte
	copy(key[:], password)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Func, err)
	}
	fill := aes.BlockSize - len(text)%aes.BlockSize
	out := make([]byte, aes.BlockSize, aes.BlockSize+len(text)+fill)
	c.Env.Random.Read(out)
	out = append(append(out, text...), bytes.Repeat([]byte{byte(fill)}, fill)...)
	vector, body := out[:aes.BlockSize], out[aes.BlockSize:]
	cipher.NewCBCEncrypter(block, vector).CryptBlocks(body, body)
	return starlark.String(base64.StdEncoding.EncodeToString(out)), nil
}

func sprigBcrypt(c *call.Call, a call.Args) (starlark.Value, error) {
	var password string
	if err := a.Unpack("a", &password); err != nil {
		return nil, err
	}
	hash, err := bcrypt(c.Env.Random, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Func, err)
	}
	return starlark.String(hash), nil
}

func sprigHtpasswd(c *call.Call, a call.Args) (starlark.Value, error) {
	var user, password string
	if err := a.Unpack("a", &user, "b", &password); err != nil {
		return nil, err
	}
	if strings.ContainsAny(user, ":\r\n") {
		return nil, fmt.Errorf("%s: argument \"a\": got %q, want a name without a colon and line ends", a.Func, user)
	}
	hash, err := bcrypt(c.Env.Random, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Func, err)
	}
	return starlark.String(user + ":" + hash), nil
}

// bcrypt hashes a password (Provos and Mazières, "A Future-Adaptable Password
// Scheme") at the default cost. golang.org/x/crypto/bcrypt does not accept a salt, so
// its results can't be repeated.
func bcrypt(random *call.Random, password string) (string, error) {
	const cost, longest = 10, 72
	if len(password) > longest {
		return "", fmt.Errorf("the password has %d bytes, want at most %d", len(password), longest)
	}
	salt := make([]byte, 16)
	random.Read(salt)
	key := append([]byte(password), 0)
	c, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return "", err
	}
	for range 1 << cost {
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(salt, c)
	}
	text := []byte("OrpheanBeholderScryDoubt")
	for i := 0; i < len(text); i += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(text[i:], text[i:])
		}
	}
	enc := base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)
	return fmt.Sprintf("$2a$%02d$%s%s", cost, enc.EncodeToString(salt), enc.EncodeToString(text[:23])), nil
}
