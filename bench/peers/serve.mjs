// node serve.mjs REDIS_URL: express with express-session over connect-redis. It prints its port.
// /in logs in; / is guarded by a session; /bare by nothing; /cpu answers the microseconds of processor time used.
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createClient } from 'redis'

const client = createClient({ url: process.argv[2] })
await client.connect()
const app = express()
app.disable('x-powered-by')
app.get('/bare', (_, response) => response.send('hello'))
app.get('/cpu', (_, response) => {
  const { user, system } = process.cpuUsage()
  response.json(user + system)
})
app.use(
  session({
    store: new RedisStore({ client }),
    secret: 'a secret for nothing but figures',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 86400000 },
  }),
)
app.get('/in', (request, response) => {
  request.session.user = 'ada'
  response.send('hello')
})
app.get('/', (request, response) => response.status(request.session.user ? 200 : 401).send('hello'))
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
