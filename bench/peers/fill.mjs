// node fill.mjs REDIS_URL COUNT: as many logins through express-session, its sessions in Redis through connect-redis.
import { RedisStore } from 'connect-redis'
import session from 'express-session'
import { createClient } from 'redis'
import { randomBytes } from 'node:crypto'

const [url, count] = process.argv.slice(2)
const client = createClient({ url })
await client.connect()
const store = new RedisStore({ client })
const one = async () => {
  const request = { sessionStore: store, sessionID: randomBytes(24).toString('base64url') }
  request.session = new session.Session(request, {
    cookie: { originalMaxAge: 86400000, httpOnly: true, secure: true, sameSite: 'lax', path: '/' },
  })
  request.session.passport = { user: randomBytes(16).toString('hex') }
  await new Promise((resolve, reject) => request.session.save((error) => (error ? reject(error) : resolve())))
}
for (let made = 0; made < Number(count); made += 100) {
  await Promise.all(Array.from({ length: Math.min(100, Number(count) - made) }, one))
}
await client.quit()
