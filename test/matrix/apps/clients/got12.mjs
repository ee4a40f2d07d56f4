import got from 'got12';
import forms from './got-h1.cjs';

export default forms(got);
