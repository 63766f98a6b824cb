"""The fast lane: requests for models whose provider speaks OpenAI's protocol, and their answers, as bytes.

routes.py       where the lane begins: in front of upstream's generated routes, which take what it does not know
requests.py     what a body has to be for the lane to know it
urls.py         where a body may lead a model's server
destinations.py which provider a model is of, for those who may use it, and where its service is
backend.py      a pool of connections to one service; connection.py is one of them
exchange.py     one request: sent on, answered, stored
answers.py      what an answer has to be; streams.py what a stream has to be
failures.py     what goes wrong with a service, and what the client gets
"""

from distribution.lane.routes import install

__all__ = ["install"]
