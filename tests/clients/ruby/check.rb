# ruby-msgpack of the distribution with the few lines that make a client of it.
require 'msgpack'
require 'socket'

PLUGIN = File.binread(ENV.fetch('WAYANG_PLUGIN'))

class Refused < StandardError
  attr_reader :error

  def initialize(error)
    super(error.to_s)
    @error = error
  end
end

class Client
  def initialize(socket)
    @socket = socket
    @unpacker = MessagePack::Unpacker.new(socket)
    @last = 0
    @early = {}
  end

  def send_request(method, *params)
    @last += 1
    @socket.write([0, @last, method, params].to_msgpack)
    @last
  end

  # Replies come in whatever order the tasks end.
  def receive(id)
    until @early.key?(id)
      _, other, error, result = @unpacker.read
      @early[other] = [error, result]
    end
    error, result = @early.delete(id)
    raise Refused, error if error

    result
  end

  def call(method, *params)
    receive(send_request(method, *params))
  end

  def close
    @socket.close
  end
end

def ensure!(holds, what)
  raise what.inspect unless holds
end

def refusal(client, method, *params)
  client.call(method, *params)
  raise "#{method} was not refused"
rescue Refused => e
  e.error
end

def echo(name, data)
  { kind: 'call', image: name, function: 'echo', data: data.b }
end

def check(client, where, name)
  image = client.call('image.put', { kind: 'c', data: PLUGIN, name: name })
  ensure!(image['functions'].include?('echo'), image)
  result = client.call('task.run', echo(name, 'hello'))
  ensure!(result['state'] == 'succeeded' && result['output'] == 'hello', result)
  puts "ok #{where} call"

  result = client.call('task.run', { kind: 'exec', argv: ['/bin/sh', '-c', 'cat; exit 4'], stdin: 'in'.b })
  ensure!([result['state'], result['cause'], result['stdout']] == ['failed', { 'type' => 'exit', 'code' => 4 }, 'in'], result)
  puts "ok #{where} command"

  ids = (0...100).map { |i| client.send_request('task.run', echo(name, "#{where} #{i}")) }
  ids.each_with_index.reverse_each { |id, i| ensure!(client.receive(id)['output'] == "#{where} #{i}", i) }
  puts "ok #{where} pipeline"

  error = refusal(client, 'task.run', { kind: 'call', image: name, funktion: 'echo' })
  ensure!(error['code'] == 'invalid_argument' && error['field'] == 'funktion', error)
  ensure!(refusal(client, 'no_such_method')['code'] == 'unknown_operation', 'unknown_operation')
  ensure!(client.call('node.info')['version'], 'node.info')
  puts "ok #{where} error"

  large = 'wayang'.b * 350_000
  ensure!(client.call('task.run', echo(name, large))['output'] == large, 'large')
  puts "ok #{where} large"
end

client = Client.new(UNIXSocket.new(ENV.fetch('WAYANG_SOCKET')))
check(client, 'ruby unix', 'ruby1')
client.close

client = Client.new(TCPSocket.new('127.0.0.1', ENV.fetch('WAYANG_TCP_PORT').to_i))
ensure!(refusal(client, 'node.info')['code'] == 'unauthenticated', 'before the session')
ensure!(refusal(client, 'session.open', { token: 'wrong' })['code'] == 'unauthenticated', 'a wrong token')
puts 'ok ruby tcp refused'
client.call('session.open', { token: ENV.fetch('WAYANG_TEST_TOKEN') })
check(client, 'ruby tcp', 'ruby2')
client.close
