// Mints a token with a fresh key, and prints it with the public half.
// node mint.mjs ALGORITHM CURVE < claims
import { readFileSync } from 'node:fs'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'

const [algorithm, crv] = process.argv.slice(2)
const { publicKey, privateKey } = await generateKeyPair(algorithm, crv ? { crv } : {})
const token = await new SignJWT(JSON.parse(readFileSync(0, 'utf8')))
  .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: 'theirs' })
  .sign(privateKey)
console.log(JSON.stringify({ token, keys: [{ ...(await exportJWK(publicKey)), kid: 'theirs' }] }))
